"""The import name of the documentation: `from MicroPie import App`."""

from micropie import *  # noqa: F403 - whatever is public
from micropie import __all__  # noqa: F401 - for a star import of this one
