"""The import name of the documentation: `from MicroPie import App`."""

from typing import TYPE_CHECKING, Any

import micropie as _micropie
from micropie import __all__

if TYPE_CHECKING:
    from micropie import *  # noqa: F403 - whatever is public
else:

    def __getattr__(name: str) -> Any:
        """Take a public name from where it is, which imports what few apps need when asked for."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(_micropie, name)

    def __dir__() -> list[str]:
        return [*__all__]
