"""An OpenAPI 3.1 description of a MicroPie app, and a page that shows it and tries it out."""

from micropie_openapi.describe import describe
from micropie_openapi.openapi import OpenAPI

__all__ = ["OpenAPI", "describe"]
