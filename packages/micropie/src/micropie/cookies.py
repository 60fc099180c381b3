"""The Cookie header a client sends (RFC 6265, 5.4)."""


def parse_cookies(header: str) -> dict[str, str]:
    """Return the cookies of a Cookie header by name.

    Of two cookies of one name the first counts: browsers send the one with the longer path
    first, and a shorter path must not be able to override it. Malformed pairs are left out.
    """
    cookies: dict[str, str] = {}
    for pair in header.split(";"):
        name, separator, value = pair.partition("=")
        name, value = name.strip(), value.strip()
        if separator and name and name not in cookies:
            if len(value) >= 2 and value[0] == value[-1] == '"':
                value = value[1:-1]
            cookies[name] = value
    return cookies
