"""Multipart forms for the parser itself, in pieces or whole, and what it makes of them."""

import functools
from collections.abc import AsyncIterator, Iterable

from micropie._bodies.form_limits import FormLimits
from micropie._bodies.multipart import parse_multipart
from micropie._bodies.uploads import Files
from support.bodies import bare_part, file_part, text_part

LIMITS = FormLimits(max_form_fields=5, max_form_field_size=1000, max_files=5)
BOUNDARY = b"----WebKitFormBoundaryx7Q"
FILE_HEADERS = b'Content-Disposition: form-data; name="file"; filename="a.bin"'


END = b"--" + BOUNDARY + b"--\r\n"

part = functools.partial(bare_part, boundary=BOUNDARY)
field = functools.partial(text_part, boundary=BOUNDARY)


def file(name: bytes, filename: bytes, content: bytes) -> bytes:
    line = b"Content-Type: application/octet-stream"
    return file_part(name, filename, content, line, boundary=BOUNDARY)


async def parse(
    body: bytes | Iterable[bytes],
    files: Files,
    limits: FormLimits = LIMITS,
    boundary: bytes = BOUNDARY,
) -> dict[str, list[str]]:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in [body] if isinstance(body, bytes) else body:
            yield chunk

    return await parse_multipart(chunks(), boundary, limits, files)
