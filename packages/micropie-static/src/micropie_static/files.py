"""Regular files and their compressed variants, as they were when they were found."""

import os
import stat
from email.utils import formatdate

from servestatic.media_types import MediaTypes
from servestatic.utils import parse_accept_encoding

from micropie.types import RawHeaders

_MEDIA_TYPES = MediaTypes()


class Variant:
    """A file as it is stored, compressed or not.

    Args:
        path: of the file.
        status: of the file, when it was found.
        headers: those that all variants of the file have.
        encoding: its Content-Encoding; None for the file itself.

    Attributes:
        etag: its ETag, with the quotes.
        mtime: its modification time, in whole seconds since the epoch.
        headers: all that do not depend on the request.
    """

    __slots__ = ("encoding", "etag", "headers", "mtime", "path", "status")

    def __init__(
        self, path: str, status: os.stat_result, headers: RawHeaders, encoding: str | None = None
    ) -> None:
        self.path, self.status, self.encoding = path, status, encoding
        self.mtime = int(status.st_mtime)
        # Each encoding has an ETag of its own: parts of different ones must not be combined (RFC
        # 9110, 8.8.3.3).
        suffix = f"-{encoding}" if encoding else ""
        self.etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}{suffix}"'
        self.headers = [
            *headers,
            (b"accept-ranges", b"bytes"),
            (b"etag", self.etag.encode()),
            (b"last-modified", formatdate(self.mtime, usegmt=True).encode()),
        ]
        if encoding:
            self.headers.append((b"content-encoding", encoding.encode()))

    def is_changed(self, status: os.stat_result) -> bool:
        """Return whether a file with *status* may have another content."""
        return _fingerprint(status) != _fingerprint(self.status)


# A file: its variants, of which one is not compressed, the smallest first.
File = tuple[Variant, ...]


def best_variant(file: File, accept_encoding: str) -> Variant:
    """Return the smallest variant that the client accepts."""
    accepted = parse_accept_encoding(accept_encoding) if len(file) > 1 else ()
    return next(v for v in file if v.encoding is None or v.encoding in accepted)


def regular_file_status(path: str, root: str | os.PathLike[str] | None) -> os.stat_result | None:
    """Return the status of a regular file; None for all else. Blocks.

    Args:
        path: may be anything; below *root*, or absolute.
        root: the folder that the file must be in, once all links are followed; None for anywhere.
    """
    try:
        real = os.path.realpath(path) if root is None else resolve(path, root)
        # lstat() does not follow a link that has just taken the file's place.
        status = None if real is None else os.lstat(real)
    except (OSError, ValueError):  # missing, dangling or forbidden; NUL, lone surrogates
        return None
    return status if status is not None and stat.S_ISREG(status.st_mode) else None


def resolve(path: str, root: str | os.PathLike[str]) -> str | None:
    """Return *path*, below *root*, with all links followed; None if they lead out of *root*."""
    folder = os.path.realpath(root)
    real = os.path.realpath(os.path.join(folder, path))
    return real if os.path.commonpath((folder, real)) == folder else None


def media_type(path: str, charset: str) -> str:
    """Return the Content-Type that the file's name tells; text has the *charset* parameter."""
    found: str = _MEDIA_TYPES.get_type(path)
    return f"{found}; charset={charset}" if found.startswith("text/") else found


def _fingerprint(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
