"""Regular files and their compressed variants: opened first, then judged by what was opened."""

import hashlib
import logging
import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from email.utils import formatdate
from errno import EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENXIO
from io import FileIO
from time import time

from servestatic.utils import parse_accept_encoding

from micropie.types import RawHeaders

# Seconds by which a variant may be older than its file: ServeStatic's command copies the time as a
# float.
_TOLERANCE = 1.0

# The errors of opening a path that mean "not found", ELOOP for a link that has just taken a file's
# place and ENXIO for a socket among them.
_NO_FILE = {ENOENT, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, ENXIO}

# A modification time before this one tells nothing: what builds images and packages makes it 1970
# (Nix, Jib, ko), 1980 (buildpacks, archives), 1985 (npm) or the first of January 2000 (Bazel), for
# equal sources to give equal files. The second of January 2000, in seconds since the epoch.
_FIRST_REAL_TIME = 946_771_200

# Bytes that are hashed, a fifth of a second at most, where no time tells one version from the next.
_MOST_HASHED = 64 * 1024**2
_MOST_DIGESTS = 1024

# By Content-Encoding, the suffixes that ServeStatic's command gives to compressed variants.
SUFFIXES: dict[str | None, str] = {"gzip": ".gz", "br": ".br", "zstd": ".zstd"}


_logger = logging.getLogger("micropie")


class Variant:
    """A file as it is stored, compressed or not, described while it is open.

    Args:
        path: of the file, without the suffix of a compressed variant.
        file: the variant.
        headers: those that all variants of the file have.
        encoding: its Content-Encoding; None for the file itself.

    Attributes:
        path: of the variant.
        etag: its ETag, with the quotes; "" if only its whole content would tell versions apart.
        mtime: its modification time, in whole seconds since the epoch; None if it tells nothing, or
            is in the future.
        size: in bytes.
        headers: all that do not depend on the request.
    """

    def __init__(self, path: str, file: FileIO, headers: RawHeaders, encoding: str | None) -> None:
        status = os.fstat(file.fileno())
        self.path = path + SUFFIXES.get(encoding, "")
        self.encoding = encoding
        self.size = status.st_size
        self._fingerprint = _fingerprint(status)
        is_real = status.st_mtime >= _FIRST_REAL_TIME
        # No Last-Modified may be later than the Date beside it (RFC 9110, 8.8.2.1).
        is_past = is_real and status.st_mtime <= time()
        self.mtime: int | None = int(status.st_mtime) if is_past else None
        # Whole seconds were set by something, to the same for each release perhaps: a build for
        # which equal sources give equal files takes the time of the sources.
        is_set = status.st_mtime_ns % 10**9 == 0
        if self.size <= _MOST_HASHED and (is_set or not is_real):
            version = _digest(file, self._fingerprint)
        else:
            version = f"{status.st_mtime_ns:x}-{self.size:x}" if is_real else ""
        # Each encoding has an ETag of its own: parts of different ones must not be combined (RFC
        # 9110, 8.8.3.3).
        suffix = f"-{encoding}" if encoding else ""
        self.etag = f'"{version}{suffix}"' if version else ""
        self.headers = [*headers, (b"accept-ranges", b"bytes")]
        if version:
            self.headers.append((b"etag", self.etag.encode()))
        if self.mtime is not None:
            self.headers.append((b"last-modified", formatdate(self.mtime, usegmt=True).encode()))
        if encoding:
            self.headers.append((b"content-encoding", encoding.encode()))

    def is_at(self, place: str | int) -> bool:
        """Return whether this is the unchanged file at a path, or behind a descriptor."""
        return _fingerprint(os.stat(place)) == self._fingerprint


class File:
    """A file to serve, and its variants as they were when it was opened last.

    Theory of operation. What is sent is what was opened, as it was then: to look first would be to
    describe another file whenever this one grows, or is being replaced. While nothing has changed,
    a variant is opened by its path alone. After any change the file is found anew: where its links
    lead now, and which variants are not older than it is.

    Args:
        path: an absolute one.
        root: the folder that it must be in, once all links are followed; None for anywhere.
        headers: those of every variant.
        encodings: those of the compressed variants to look for.
    """

    def __init__(
        self, path: str, root: str | None, headers: RawHeaders, encodings: Iterable[str | None] = ()
    ) -> None:
        self._path, self._root, self._headers, self._encodings = path, root, headers, encodings
        self._variants: list[Variant] = []  # the smallest first

    def open(self, accept_encoding: str, open_files: ExitStack) -> tuple[Variant, FileIO] | None:
        """Open the smallest variant that the client accepts; None if the file is gone. Blocks.

        Args:
            accept_encoding: the header.
            open_files: gets what is opened, for it to be closed.

        Raises:
            OSError: it can't be opened, though it exists and is not forbidden.
        """
        if variants := self._variants:  # another thread may replace them
            variant, original = _best(variants, accept_encoding), _best(variants, "")
            with suppress(OSError):
                # A compressed variant is outdated when the file itself has changed.
                if variant is original or original.is_at(original.path):
                    file = open_files.enter_context(FileIO(variant.path, opener=_open))
                    if variant.is_at(file.fileno()):
                        return variant, file
        files = self._open_anew(open_files)
        if not files:
            return None
        self._variants = variants = sorted(files, key=lambda variant: variant.size)
        variant = _best(variants, accept_encoding)
        return variant, files[variant]

    def _open_anew(self, open_files: ExitStack) -> dict[Variant, FileIO]:
        """Return the open file of each variant that is not outdated; none if the file is gone."""
        opened: dict[str | None, FileIO] = {}
        for encoding in (None, *self._encodings):
            path = self._path + SUFFIXES.get(encoding, "")
            if (file := open_regular(path, self._root)) is not None:
                opened[encoding] = open_files.enter_context(file)
            elif encoding is None:
                return {}
        oldest = os.fstat(opened[None].fileno()).st_mtime - _TOLERANCE
        opened = {e: f for e, f in opened.items() if os.fstat(f.fileno()).st_mtime >= oldest}
        headers = self._headers if len(opened) == 1 else varying(self._headers, b"Accept-Encoding")
        return {Variant(self._path, file, headers, e): file for e, file in opened.items()}


def open_regular(path: str, root: str | None) -> FileIO | None:
    """Open a regular file; None if there is none at *path*, or it is outside of *root*. Blocks.

    Raises:
        OSError: it can't be opened, though it exists and is not forbidden.
    """
    try:
        # Opening a device or a pipe may have effects. One that takes the file's place right now has
        # no size, so nothing of it is sent.
        if (real := regular_path(path, root)) is not None:
            return FileIO(real, opener=_open)
    except PermissionError as error:
        _logger.warning("a file is not served: %s", error)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
    return None


def regular_path(path: str, root: str | None) -> str | None:
    """Return the path of a regular file, all links followed; None for all else. Blocks."""
    try:
        real = resolve(path, root)
        return real if real is not None and stat.S_ISREG(os.lstat(real).st_mode) else None
    except (OSError, ValueError):  # missing, dangling or forbidden; NUL, lone surrogates
        return None


def resolve(path: str, root: str | None) -> str | None:
    """Return *path* with all links followed; None if they lead out of *root*."""
    real = os.path.realpath(path)
    if root is not None:
        folder = os.path.realpath(root)
        if os.path.commonpath((folder, real)) != folder:
            return None
    return real


def _best(variants: Iterable[Variant], accept_encoding: str) -> Variant:
    """Return the first variant that the client accepts."""
    accepted = parse_accept_encoding(accept_encoding) if accept_encoding else ()
    return next(v for v in variants if v.encoding is None or v.encoding in accepted)


def varying(headers: RawHeaders, name: bytes) -> RawHeaders:
    """Return *headers* with a Vary that has *name* as well: the response depends on that header."""
    vary = [value for key, value in headers if key == b"vary"]
    return [*(p for p in headers if p[0] != b"vary"), (b"vary", b", ".join([*vary, name]))]


# Of the files opened last: `send_file` describes its file for every request.
_digests: dict[tuple[int, ...], str] = {}


def _digest(file: FileIO, fingerprint: tuple[int, ...]) -> str:
    """Return a hash of the content of *file*, which is remembered by its *fingerprint*."""
    if fingerprint not in _digests:
        if len(_digests) >= _MOST_DIGESTS:
            _digests.clear()
        _digests[fingerprint] = hashlib.file_digest(file, "sha256").hexdigest()[:32]
    return _digests[fingerprint]


def _fingerprint(status: os.stat_result) -> tuple[int, ...]:
    # The time of change as well: a modification time can be set to any.
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, status.st_size, *times


def _open(path: str, flags: int) -> int:
    # What may have taken the file's place: a FIFO, whose opening would block forever, or a link,
    # which may lead anywhere.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
