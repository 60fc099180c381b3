"""application/x-www-form-urlencoded, as query strings and forms carry it (WHATWG URL, 5.1)."""

from urllib.parse import unquote_to_bytes


def parse_urlencoded(data: bytes) -> dict[str, list[str]]:
    """Return every value of every name, in order; bytes that are no UTF-8 become U+FFFD."""
    values: dict[str, list[str]] = {}
    if not data:
        return values
    if b"+" in data:
        data = data.replace(b"+", b" ")
    for pair in data.decode("utf-8", "replace").split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in pair:
            name, value = _decoded(name), _decoded(value)
        if name in values:
            values[name].append(value)
        else:
            values[name] = [value]
    return values


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace") if "%" in text else text
