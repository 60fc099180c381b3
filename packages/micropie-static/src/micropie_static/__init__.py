"""Static files below a mount of a MicroPie app, and files that handlers send."""

from micropie_static.sending import send_file
from micropie_static.static import Static

__all__ = ["Static", "send_file"]
