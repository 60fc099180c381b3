"""Cookies that a client sends (RFC 6265bis)."""


def parse_cookies(header: str) -> dict[str, str]:
    """Return the cookies of a Cookie header by name.

    Of two cookies of one name the first counts: browsers send the one with the longer path
    first, and a shorter path must not be able to override it. Malformed pairs are left out.
    """
    cookies: dict[str, str] = {}
    for pair in header.split(";"):
        name, separator, value = pair.partition("=")
        name = name.strip()
        if separator and name and name not in cookies:
            cookies[name] = _unquoted(value)
    return cookies


def cookie_values(header: str, wanted: str) -> list[str]:
    """Return the different values of the cookies called *wanted*, in order, without empty ones."""
    values: dict[str, None] = {}
    for pair in header.split(";"):
        name, _, value = pair.partition("=")
        if name.strip() == wanted and (value := _unquoted(value)):
            values[value] = None
    return list(values)


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value
