"""The path of a request: what lies below root_path, and its decoded segments."""

from urllib.parse import unquote

from micropie.types import Scope

# Bytes are searched for a number several times faster than for other bytes.
_PERCENT = ord("%")


def path_segments(scope: Scope) -> list[str]:
    """Split the path below `root_path` into decoded segments; "/a/b/" gives ["a", "b"]."""
    path: str = scope["path"]
    root_path: str = scope.get("root_path") or ""
    raw_path: bytes | None = scope.get("raw_path")
    if raw_path and _PERCENT in raw_path and b"%2f" in raw_path.lower():
        return _raw_segments(raw_path, root_path)
    if root_path:
        path = below(path, root_path)
    path = path.strip("/")
    return path.split("/") if path else []


def below(path: str, root_path: str) -> str:
    """Return what follows *root_path* in *path*; all of it if that is no prefix.

    Servers differ in whether a proxy's prefix is still part of the path they report.
    """
    root_path = root_path.rstrip("/")
    if root_path and (path == root_path or path.startswith(root_path + "/")):
        return path[len(root_path) :]
    return path


def _raw_segments(raw_path: bytes, root_path: str) -> list[str]:
    """Split before decoding, so that an encoded slash stays inside its segment."""
    raw_segments = raw_path.decode("latin-1").strip("/").split("/")
    segments = [unquote(segment) for segment in raw_segments]
    prefix = root_path.strip("/").split("/") if root_path.strip("/") else []
    return segments[len(prefix) :] if segments[: len(prefix)] == prefix else segments
