"""application/x-www-form-urlencoded, as query strings and forms carry it (WHATWG URL, 5.1)."""

from urllib.parse import unquote_plus


def parse_urlencoded(data: bytes) -> dict[str, list[str]]:
    """Return every value of every name, in order; bytes that are no UTF-8 become U+FFFD."""
    values: dict[str, list[str]] = {}
    if not data:
        return values
    text = data.decode("utf-8", "replace")
    encoded = "%" in text or "+" in text
    for pair in text.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if encoded:
            name, value = unquote_plus(name), unquote_plus(value)
        if name in values:
            values[name].append(value)
        else:
            values[name] = [value]
    return values
