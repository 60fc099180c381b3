"""The import name of the documentation: `from MicroPie import App`."""

from micropie import *  # noqa: F403
from micropie import __all__  # noqa: F401
