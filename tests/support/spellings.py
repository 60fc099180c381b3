"""URLs that somebody tries who wants past a rule for a path."""

from urllib.parse import quote


def spellings(path: str) -> list[str]:
    """Return URLs that somebody might try in the place of *path*."""
    name = path.strip("/").split("/")[0]
    rest = path.removeprefix(f"/{name}")
    encoded = f"%{ord(name[0]):02X}{name[1:]}"
    names = {name, encoded, encoded.lower(), name.upper(), name.capitalize(), quote(quote(name))}
    names |= {
        name.replace("_", "-"),
        name.replace("_", "%2D"),
        name.replace("_", "."),
        f"{name}%00",
    }
    names |= {f"{name}%2F", f"%2F{name}", f"{name}%2Fx", f".%2F{name}", f"{name};x", f"{name}%20"}
    urls = {f"/{each}{rest}" for each in names}
    urls |= {
        f"/{name}{rest}{end}" for end in ("/", "//", "/x", "/x/y", "//x", "/%2F", "/..", "?x=1")
    }
    urls |= {f"{start}{name}{rest}" for start in ("//", "///", "/./", "/x/../", "/index/", "/%2E/")}
    return sorted(urls)
