"""The manifest: which names with a hash ServeStatic's command has given to files."""

import json
import os


class Manifest:
    """The file `staticfiles.json` of a folder, if there is one.

    Raises:
        ValueError: it is no manifest.
    """

    def __init__(self, root: str) -> None:
        self._path = os.path.join(root, "staticfiles.json")
        self._modified: int | None = None
        self._names: dict[str, str] = {}
        self._read()

    def hashed(self, name: str, *, refresh: bool) -> str:
        """Return the name with a hash of file *name*, or *name* itself; *refresh* looks anew."""
        if refresh:
            self._read()
        return self._names.get(name, name)

    def _read(self) -> None:
        try:
            modified = os.stat(self._path).st_mtime_ns
        except FileNotFoundError:
            self._modified, self._names = None, {}
            return
        if modified == self._modified:
            return
        try:
            with open(self._path, encoding="utf-8") as file:
                names = json.load(file)["paths"]
            self._names = {str(name): str(hashed) for name, hashed in names.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self._path} is no manifest of ServeStatic's: make it anew, or remove it"
            ) from error
        self._modified = modified
