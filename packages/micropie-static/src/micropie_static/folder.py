"""The files of a folder by URL, with compressed variants as ServeStatic's command writes them.

Of ServeStatic only the products of its command are used (hashed names, manifest, variants), and its
tables of media types and encodings. Its responders are not: finding and sending is done here.
"""

import logging
import os
import posixpath
from collections.abc import Callable, Iterator
from enum import Enum

from micropie.types import RawHeaders
from micropie_static.files import File, Variant, regular_file_status, resolve

# Suffixes that ServeStatic's command gives to compressed variants.
_SUFFIXES = {"gzip": ".gz", "br": ".br", "zstd": ".zstd"}

# Seconds by which a variant may be older than its file: the command copies the time as a float.
_AGE_TOLERANCE = 1.0

_StatusOf = Callable[[str], os.stat_result | None]

_logger = logging.getLogger("micropie")


class Redirect(Enum):
    """How a URL differs from that of its folder, which shows the index file."""

    MISSING_SLASH = 1
    INDEX_FILE = 2


Found = File | Redirect


class Folder:
    """The files below a folder, by URL below the mount.

    Args:
        root: the folder.
        index: the name of the file that stands for its folder; None for none.
        headers_of: returns the headers of a file: of its path, and its URL.

    Attributes:
        root: the folder, as an absolute path.

    Raises:
        FileNotFoundError, NotADirectoryError: *root* is not a folder.
        ValueError: *index* is not the name of a file.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        index: str | None,
        headers_of: Callable[[str, str], RawHeaders],
    ) -> None:
        self.root = os.path.abspath(root)
        if not os.path.exists(self.root):
            raise FileNotFoundError(f"the static folder {self.root} does not exist; create it")
        if not os.path.isdir(self.root):
            raise NotADirectoryError(f"the static folder {self.root} is not a folder")
        if index is not None and (not isinstance(index, str) or not index or "/" in index):
            raise ValueError(f"index must be the name of a file or None, not {index!r}")
        self._index = index
        self._headers_of = headers_of
        self._listed = dict(self._scan(self.root, frozenset()))
        self._found: dict[str, Found] = {}  # by URL

    def get(self, url: str) -> Found | None:
        """Return what was at *url* when the folder was listed."""
        found = self._found.get(url) or self._look_up(url, self._listed.get)
        if found is not None:
            self._found[url] = found
        return found

    def find(self, url: str) -> Found | None:
        """Return what is at *url* now. Blocks."""
        # A file has one URL: without "." and "..", repeated slashes and backslashes.
        is_canonical = posixpath.normpath(f"/.{url}") == (url.removesuffix("/") or "/")
        return self._look_up(url, self._status) if is_canonical and "\\" not in url else None

    def reload(self, url: str) -> File | None:
        """Return the file at *url* as it is now, and remember it; None if it is gone. Blocks."""
        file = self._look_up(url, self._status)
        if file is None or isinstance(file, Redirect):
            return None
        self._found[url] = file
        return file

    def _look_up(self, url: str, status_of: _StatusOf) -> Found | None:
        if self._index is None:
            return None if url.endswith("/") else self._file(url, url, status_of)
        if url.endswith("/"):
            return self._file(url, url + self._index, status_of)
        if url.endswith(f"/{self._index}"):
            return Redirect.INDEX_FILE if status_of(self._path(url)) else None
        has_index = status_of(self._path(f"{url}/{self._index}"))
        return Redirect.MISSING_SLASH if has_index else self._file(url, url, status_of)

    def _file(self, url: str, name: str, status_of: _StatusOf) -> File | None:
        """Return the file at *url*, called *name* below the root."""
        path = self._path(name)
        status = status_of(path)
        if status is None or _is_variant(path, status_of):
            return None
        compressed = {
            encoding: variant
            for encoding, suffix in _SUFFIXES.items()
            if (variant := status_of(path + suffix)) is not None
            and variant.st_mtime >= status.st_mtime - _AGE_TOLERANCE
        }
        headers = self._headers_of(path, url)
        if compressed:
            vary = [value for name, value in headers if name == b"vary"]
            headers = [pair for pair in headers if pair[0] != b"vary"]
            headers.append((b"vary", b", ".join([*vary, b"Accept-Encoding"])))
        variants = [Variant(path, status, headers)]
        for encoding, variant in compressed.items():
            variants.append(Variant(path + _SUFFIXES[encoding], variant, headers, encoding))
        return tuple(sorted(variants, key=lambda variant: variant.status.st_size))

    def _path(self, name: str) -> str:
        return self.root + name.replace("/", os.sep)

    def _status(self, path: str) -> os.stat_result | None:
        return regular_file_status(path, self.root)

    def _scan(self, folder: str, above: frozenset[str]) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the files below *folder* with their status; *above* are the folders it is in."""
        real = os.path.realpath(folder)
        if real in above:
            return  # a link to a folder that contains it
        try:
            entries = list(os.scandir(folder))
        except PermissionError as error:
            _logger.warning("a folder is not served: %s", error)
            return
        for entry in entries:
            if entry.is_symlink() and resolve(entry.path, self.root) is None:
                continue  # only a link can lead out of a folder that is inside
            if os.path.isdir(entry.path):
                yield from self._scan(entry.path, above | {real})
            elif (status := self._status(entry.path)) is not None:
                yield entry.path, status


def _is_variant(path: str, status_of: _StatusOf) -> bool:
    return any(path.endswith(s) and status_of(path.removesuffix(s)) for s in _SUFFIXES.values())
