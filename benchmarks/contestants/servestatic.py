"""ServeStatic by itself, which MicroPie's Static is built on."""

from servestatic import ServeStaticASGI


def files(folder):
    return ServeStaticASGI(None, root=folder, prefix="static")
