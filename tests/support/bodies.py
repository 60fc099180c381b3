"""Bodies: their content types, and multipart ones made by hand, right or wrong."""

MIB = 1024**2

HTML = "text/html; charset=utf-8"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BINARY = "application/octet-stream"
MULTIPART = "multipart/form-data; boundary=pie"

BOUNDARY = b"pie"
END = b"--pie--\r\n"


def bare_part(headers: bytes, content: bytes, *, boundary: bytes = BOUNDARY) -> bytes:
    """Return a part with just these *headers*."""
    return b"--" + boundary + b"\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


def part(parameters: bytes, content: bytes, *lines: bytes, boundary: bytes = BOUNDARY) -> bytes:
    """Return a part of a form: its disposition has *parameters*, *lines* are more headers."""
    disposition = b"Content-Disposition: form-data; " + parameters
    return bare_part(b"\r\n".join([disposition, *lines]), content, boundary=boundary)


def text_part(name: str | bytes, value: str | bytes, *, boundary: bytes = BOUNDARY) -> bytes:
    """Return the field *name* of a form."""
    return part(b'name="%s"' % _encoded(name), _encoded(value), boundary=boundary)


def file_part(
    name: str | bytes,
    filename: str | bytes,
    content: str | bytes,
    *lines: bytes,
    boundary: bytes = BOUNDARY,
) -> bytes:
    """Return a file of a form; *lines* are more headers."""
    parameters = b'name="%s"; filename="%s"' % (_encoded(name), _encoded(filename))
    return part(parameters, _encoded(content), *lines, boundary=boundary)


def _encoded(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
