"""application/x-www-form-urlencoded, as query strings and forms carry it (WHATWG URL, 5.1)."""

from binascii import a2b_qp
from urllib.parse import unquote_to_bytes


def parse_urlencoded(data: bytes) -> dict[str, list[str]]:
    """Return every value of every name, in order; bytes that are no UTF-8 become U+FFFD."""
    values: dict[str, list[str]] = {}
    if not data:
        return values
    for pair in data.decode("utf-8", "replace").replace("+", " ").split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in pair:
            if "%" in name:
                name = _decoded(name)
            if "%" in value:
                value = _decoded(value)
        if name in values:
            values[name].append(value)
        else:
            values[name] = [value]
    return values


def _decoded(text: str) -> str:
    # Quoted-printable (RFC 2045, 6.7) is the same with "=" for "%", and decoded in C. What it sees
    # in a way of its own is left to Python: "=", line breaks, characters beyond ASCII, and
    # malformed escapes, of which more is left than one byte of three.
    if text.isascii() and "=" not in text and "\n" not in text and "\r" not in text:
        data = a2b_qp(text.replace("%", "="))
        if len(data) == len(text) - 2 * text.count("%"):
            return data.decode("utf-8", "replace")
    return unquote_to_bytes(text).decode("utf-8", "replace")
