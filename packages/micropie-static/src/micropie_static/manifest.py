"""The manifest that ServeStatic's command writes: the hashed name of each file."""

import json
import os


class Manifest:
    """The file `staticfiles.json` of a folder, if there is one.

    Raises:
        ValueError: it is not a manifest.
    """

    def __init__(self, root: str) -> None:
        self._path = os.path.join(root, "staticfiles.json")
        self._names = self._read()

    def hashed(self, name: str, *, refresh: bool) -> str:
        """Return the hashed name of file *name*, or *name*; *refresh* reads the manifest again."""
        if refresh:
            self._names = self._read()
        return self._names.get(name, name)

    def _read(self) -> dict[str, str]:
        try:
            with open(self._path, encoding="utf-8") as file:
                names = json.load(file)["paths"]
            return {str(name): str(hashed) for name, hashed in names.items()}
        except FileNotFoundError:
            return {}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self._path} is not a manifest of ServeStatic: make it again, or remove it"
            ) from error
