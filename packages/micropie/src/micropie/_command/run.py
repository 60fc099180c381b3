"""`micropie run`: serve an app with Uvicorn, for development."""

import os
import subprocess
import sys

from micropie._command.targets import TargetError


def run(app: str, host: str, port: int, workers: int | None, reload: bool) -> None:
    """Serve *app*, with `debug` on unless the App says otherwise, until Ctrl-C.

    Raises:
        TargetError: Uvicorn is not installed, or can't be started.
    """
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        if error.name != "uvicorn":
            raise
        raise TargetError("run needs Uvicorn: pip install 'micropie[server]'") from None
    os.environ["MICROPIE_DEBUG"] = "1"
    # In a process of its own: what the app does when it is imported happens to no server, and what
    # is wrong is said once, and not again by every worker.
    check = [sys.executable, "-m", "micropie._command.targets", app]
    if subprocess.run(check, check=False).returncode:  # noqa: S603 - no shell reads *app*
        sys.exit(1)
    if workers is not None and reload:
        reload = False
        print("micropie: --workers switches reload off", file=sys.stderr)
    uvicorn.run(app, host=host, port=port, workers=workers, reload=reload, app_dir=os.getcwd())
