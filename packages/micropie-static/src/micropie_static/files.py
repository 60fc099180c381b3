"""The files of a folder by URL and their compressed variants, as ServeStatic finds them."""

import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from wsgiref.headers import Headers

from servestatic.base import ServeStaticBase
from servestatic.responders import IsDirectoryError, MissingFileError, NotARegularFileError
from servestatic.utils import parse_accept_encoding

RawHeaders = list[tuple[bytes, bytes]]

# Suffixes that ServeStatic's command gives to compressed variants.
_SUFFIXES = {"gzip": ".gz", "br": ".br", "zstd": ".zstd"}

# Seconds by which a variant may be older than its file: the command copies the time as a float.
_AGE_TOLERANCE = 1.0

# RFC 9110, 5.6.2 and 5.5.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# Headers that tell what is sent: a second one of them would contradict.
_OWN = frozenset({"accept-ranges", "content-length", "content-range", "etag", "last-modified"})

_logger = logging.getLogger("micropie")


@dataclass(frozen=True, slots=True)
class Variant:
    """A file as it is stored, compressed or not, and what it looked like when it was found.

    Attributes:
        path: where it lies.
        encoding: its Content-Encoding; None for the file itself.
        identity: tells whether another look finds the same content.
        size: bytes.
        mtime: when it was changed, in seconds since the epoch.
        etag: its ETag, with the quotes.
        headers: all but those that depend on the request.
    """

    path: str
    encoding: str | None
    identity: tuple[int, ...]
    size: int
    mtime: int
    etag: str
    headers: RawHeaders

    @classmethod
    def of(
        cls, path: str, status: os.stat_result, headers: RawHeaders, encoding: str | None = None
    ) -> "Variant":
        """Return the variant at *path*, whose `os.stat` gave *status*."""
        etag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
        if encoding:
            # Another representation needs another one: half of this must not be joined to half of
            # that (RFC 9110, 8.8.3.3).
            etag += f"-{encoding}"
            headers = [*headers, (b"content-encoding", encoding.encode())]
        mtime = int(status.st_mtime)
        own: RawHeaders = [
            (b"accept-ranges", b"bytes"),
            (b"etag", f'"{etag}"'.encode()),
            (b"last-modified", formatdate(mtime, usegmt=True).encode()),
        ]
        return cls(
            path, encoding, identity(status), status.st_size, mtime, f'"{etag}"', headers + own
        )


@dataclass(frozen=True, slots=True)
class File:
    """A file, and the compressed variants that are smaller, the smallest first."""

    original: Variant
    compressed: tuple[Variant, ...] = ()

    def best(self, accept_encoding: str) -> Variant:
        """Return the smallest variant of an encoding that the client accepts."""
        if self.compressed:
            accepted = parse_accept_encoding(accept_encoding)
            for variant in self.compressed:
                if variant.encoding in accepted:
                    return variant
        return self.original


@dataclass(frozen=True, slots=True)
class Redirect:
    """A path that is a folder's, but for the slash at its end or the index file after it."""

    adds_slash: bool
    headers: RawHeaders


class Files(ServeStaticBase):  # type: ignore[misc] # it is not typed
    """The files below a folder, by URL below the mount.

    Attributes:
        root: the folder, as an absolute path.
        files: what was found at first.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        max_age: int | None,
        immutable: bool,
        index: str | None,
        headers: Mapping[str, str],
    ) -> None:
        self.root = os.path.abspath(root)
        if not os.path.exists(self.root):
            raise FileNotFoundError(f"the static folder {self.root} does not exist; create it")
        if not os.path.isdir(self.root):
            raise NotADirectoryError(f"the static folder {self.root} is no folder")
        if max_age is not None and (not isinstance(max_age, int) or max_age < 0):
            raise ValueError(f"max_age must be a number of seconds or None, not {max_age!r}")
        if index is not None and (not isinstance(index, str) or not index or "/" in index):
            raise ValueError(f"index must be the name of a file or None, not {index!r}")
        check_headers(headers)
        self._extra_headers = headers
        super().__init__(
            None,
            max_age=max_age,
            allow_all_origins=False,
            index_file=index,
            immutable_file_test=None if immutable else _is_never_immutable,
        )
        self.add_files(self.root)
        self.insert_directory(os.path.join(self.root, ""), "/")

    def initialize(self) -> None:
        """Do nothing: ServeStatic's own apps finish here."""

    def look_up(self, url: str) -> File | Redirect | None:
        """Return what lies at *url* now; blocks."""
        if not url and self.index_file is not None:
            return self.redirect("", "/") if self.look_up("/") else None
        # join() would begin anew at a second slash, and the rest be an absolute path.
        if not url.startswith("/") or url.startswith("//"):
            return None
        try:
            found: File | Redirect | None = self.find_file(url)
        except (NotARegularFileError, OSError, ValueError):  # ValueError: NUL, lone surrogates
            return None
        return found

    def reload(self, url: str, file: File) -> File | None:
        """Return *file* as it is now, and remember that; None if it is gone. Blocks."""
        try:
            file = self.get_static_file(file.original.path, url)
        except (NotARegularFileError, OSError):
            return None
        self.files[url] = file
        return file

    # What ServeStatic calls.

    def update_files_dictionary(self, root: str, prefix: str) -> None:
        """Find all files. ServeStatic's own way follows links out of the root, and in circles."""
        found = dict(self._scan(root, frozenset()))
        for path in found:
            url = prefix + path[len(root) :].replace(os.sep, "/")
            self.add_file_to_dictionary(url, path, stat_cache=found)

    def get_static_file(
        self, path: str, url: str, stat_cache: Mapping[str, os.stat_result] | None = None
    ) -> File:
        """Return the file at *path*.

        Raises:
            MissingFileError: there is none.
        """
        found = self._stat_with_variants(path) if stat_cache is None else stat_cache
        if path not in found:
            raise MissingFileError(path)
        status = found[path]
        oldest = status.st_mtime - _AGE_TOLERANCE
        variants = [
            (encoding, path + suffix)
            for encoding, suffix in _SUFFIXES.items()
            if path + suffix in found and found[path + suffix].st_mtime >= oldest
        ]
        headers = Headers([])
        self.add_mime_headers(headers, path, url)
        self.add_cache_headers(headers, path, url)
        for name, value in self._extra_headers.items():
            headers[name] = value
        if variants:
            vary = headers.get("Vary")
            headers["Vary"] = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"
        raw = _raw(headers)
        made = [Variant.of(stored, found[stored], raw, encoding) for encoding, stored in variants]
        smaller = [variant for variant in made if variant.size < status.st_size]
        smaller.sort(key=lambda variant: variant.size)
        return File(Variant.of(path, status, raw), tuple(smaller))

    def redirect(self, from_url: str, to_url: str) -> Redirect:
        """Return the redirection from one URL of a folder to the one that shows it."""
        headers = Headers([])
        self.add_cache_headers(headers, "", "")
        return Redirect(to_url == f"{from_url}/", _raw(headers))

    def _scan(self, folder: str, above: frozenset[str]) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the files below *folder* with their status; *above* are the folders it is in."""
        real = os.path.realpath(folder)
        if real in above:
            return  # a link that would be followed round and round
        try:
            entries = list(os.scandir(folder))
        except PermissionError as error:
            _logger.warning("a folder is not served: %s", error)
            return
        for entry in entries:
            if entry.is_symlink() and real_path_below(self.root, entry.path) is None:
                continue  # only a link can lead out of a folder that is inside
            if os.path.isdir(entry.path):
                yield from self._scan(entry.path, above | {real})
            elif (status := self._stat(entry.path)) is not None:
                yield entry.path, status

    def _stat_with_variants(self, path: str) -> dict[str, os.stat_result]:
        """Return the status of what lies at *path*, and of its variants."""
        if os.path.isdir(path):
            raise IsDirectoryError(path)
        stored = [path, *(path + suffix for suffix in _SUFFIXES.values())]
        found = {one: self._stat(one) for one in stored}
        return {one: status for one, status in found.items() if status is not None}

    def _stat(self, path: str) -> os.stat_result | None:
        """Return the status of a regular file that is really below the root; None of all else."""
        try:
            real = real_path_below(self.root, path)
            # lstat(), because what was no link may be one by now.
            status = None if real is None else os.lstat(real)
        except OSError:
            return None  # a link to nowhere, a folder that may not be entered
        return status if status is not None and stat.S_ISREG(status.st_mode) else None


def real_path_below(root: str | os.PathLike[str], path: str) -> str | None:
    """Return where *path* leads, once all links are followed; None if that is not below *root*.

    Raises:
        ValueError: *path* can't be one.
    """
    folder = os.path.realpath(root)
    real = os.path.realpath(os.path.join(folder, path))
    return real if os.path.commonpath((folder, real)) == folder else None


def check_headers(headers: Mapping[str, str]) -> None:
    """Check headers that are to be sent with a file.

    Raises:
        ValueError: one can't be sent, or is made for each file.
    """
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"headers: {name!r}: {value!r} is no header that can be sent")
        if name.lower() in _OWN:
            raise ValueError(f"headers: {name!r} is made from the file; leave it out")


def identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what of *status* is another's if the content may be."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _raw(headers: Headers) -> RawHeaders:
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
    ]


def _is_never_immutable(*_: Any) -> bool:
    return False
