"""Tokens, of which HTTP makes names: of headers, of cookies."""

import re

# RFC 9110, 5.6.2.
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
