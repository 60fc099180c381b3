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
from micropie_static.files import SUFFIXES, File, regular_path, resolve, varying

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
        fallback: the path below *root* of the file that stands for all that is not there, for who
            wants a page; None for none.
        headers_of: returns the headers of a file: of its path, and its URL.

    Attributes:
        root: the folder, as an absolute path.
        fallback: that file.

    Raises:
        FileNotFoundError, NotADirectoryError: *root* is not a folder, or *fallback* not a file.
        ValueError: *index* is not the name of a file.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        index: str | None,
        fallback: str | None,
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
        self._listed = frozenset(self._scan(self.root, frozenset()))
        self._found: dict[str, Found] = {}  # by URL
        self.fallback: File | None = None
        if fallback is not None:
            url = f"/{fallback}"
            if (path := self._path(url)) not in self._listed:
                raise FileNotFoundError(f"the fallback {path} is not a file; create it")
            headers = varying(headers_of(path, url), b"Accept")
            self.fallback = File(path, self.root, headers, SUFFIXES)

    def get(self, url: str) -> Found | None:
        """Return what was at *url* when the folder was listed."""
        found = self._found.get(url) or self._look_up(url, self._listed.__contains__)
        if found is not None:
            self._found[url] = found
        return found

    def find(self, url: str) -> Found | None:
        """Return what is at *url* now. Blocks."""
        # A file has one URL: without "." and "..", repeated slashes and backslashes.
        is_canonical = posixpath.normpath(f"/.{url}") == (url.removesuffix("/") or "/")
        return self._look_up(url, self._is_file) if is_canonical and "\\" not in url else None

    def _look_up(self, url: str, is_file: Callable[[str], bool]) -> Found | None:
        name = url
        if self._index is not None:
            if url.endswith("/"):
                name = url + self._index
            elif url.endswith(f"/{self._index}"):
                return Redirect.INDEX_FILE if is_file(self._path(url)) else None
            elif is_file(self._path(f"{url}/{self._index}")):
                return Redirect.MISSING_SLASH
        path = self._path(name)
        stem, suffix = os.path.splitext(path)
        is_variant = suffix in SUFFIXES.values() and is_file(stem)
        if name.endswith("/") or is_variant or not is_file(path):
            return None
        return File(path, self.root, self._headers_of(path, url), SUFFIXES)

    def _path(self, name: str) -> str:
        return self.root + name.replace("/", os.sep)

    def _is_file(self, path: str) -> bool:
        return regular_path(path, self.root) is not None

    def _scan(self, folder: str, above: frozenset[str]) -> Iterator[str]:
        """Yield the files below *folder*; *above* are the folders it is in."""
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
            elif os.path.isfile(entry.path):
                yield entry.path
