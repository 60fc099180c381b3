"""Multipart forms (RFC 7578): read part by part, fields and files within their limits."""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Generator
from typing import Any

from micropie._bodies.form_limits import (
    FIELD_TOO_LONG,
    TOO_MANY_FIELDS,
    TOO_MANY_FILES,
    FormLimits,
    with_memory_of,
)
from micropie._bodies.spool import Spool
from micropie._bodies.uploads import Files, UploadFile
from micropie._errors import BadRequest, ContentTooLarge, HTTPError
from micropie._percent import unquoted

# Of all small files of a form together; what goes beyond goes to disk, however small. The default
# max_body_size, so it only ever counts where larger bodies are allowed.
FORM_MEMORY = 16 * 1024**2

# A browser sends two headers a part, some clients four. 8 KiB is what nginx and Apache take as a
# line; file systems allow names of 255 bytes, up to 765 once percent-encoded.
MAX_PART_HEADERS = 8
MAX_PART_HEADER_SIZE = 8 * 1024

# Bytes of a multipart body after which the event loop serves others: parsing takes 5 ms for them at
# most. A part's end takes as much time as so many bytes.
_MULTIPART_STEP = 1024**2
_PART_COST = 32 * 1024


def multipart_boundary(content_type: str) -> bytes:
    """Return the boundary that *content_type* names (RFC 2046, 5.1.1).

    Raises:
        BadRequest: there is none, there are several, or it is not valid.
        HTTPError: 431, the type is longer than any client's.
    """
    if len(content_type) > _MOST_TYPE:
        raise HTTPError(431)
    boundaries = {
        value.strip()
        for name, value in re.findall(_PARAMETER, content_type)
        if name.lower() == "boundary"
    }
    # Two could be read in two ways, by a filter in front of this server and by the server.
    if len(boundaries) != 1:
        raise BadRequest("a multipart body needs one boundary in its Content-Type")
    boundary: str = boundaries.pop()
    if boundary.startswith('"'):
        boundary = boundary[1:-1]
    if not re.fullmatch(_BOUNDARY, boundary):
        raise BadRequest("the multipart boundary is not valid")
    return boundary.encode("ascii")


async def parse_multipart(
    chunks: AsyncIterable[bytes], boundary: bytes, limits: FormLimits, files: Files
) -> dict[str, list[str]]:
    """Read a multipart/form-data body (RFC 7578) and return its fields.

    Args:
        chunks: the body; `Body` has limited its total size.
        boundary: see multipart_boundary.
        limits: counted while reading.
        files: gets the uploaded files, each as soon as it begins; the caller closes it.

    Raises:
        BadRequest: the body is malformed or ends early.
        ContentTooLarge: a limit is exceeded.
        RuntimeError: a library is missing; says what to install.
    """
    parser = _new_parser(boundary)
    form = _Form(limits, files)
    work = 0
    async for chunk in chunks:
        if not chunk:
            continue  # which would end the body for the parser
        work += len(chunk)
        for event in _events(parser, chunk):
            if event is None:
                await form.part.end()
                work += _PART_COST
            elif isinstance(event, (bytes, bytearray)):
                await form.part.write(event)
            else:
                form.begin(event)
            if work > _MULTIPART_STEP:
                work = 0
                await asyncio.sleep(0)
    try:
        parser.close()
    except ValueError:
        raise BadRequest("the multipart body ends before its last boundary") from None
    return form.fields


async def read_multipart(
    reader: asyncio.StreamReader, boundary: bytes, limits: FormLimits
) -> tuple[dict[str, list[str]], Files]:
    """Read a multipart/form-data body out of *reader*; return its fields, and its open files.

    Raises:
        BadRequest, ContentTooLarge, RuntimeError: as `parse_multipart`; the files are closed then.
    """

    async def chunks() -> AsyncIterator[bytes]:
        while chunk := await reader.read(64 * 1024):
            yield chunk

    files = Files()
    try:
        return await parse_multipart(chunks(), boundary, limits, files), files
    except BaseException:
        await files.close()
        raise


class _Form:
    """What a multipart body has brought so far, and how much more it may."""

    def __init__(self, limits: FormLimits, files: Files) -> None:
        self.limits = limits
        self.files = files
        self.fields: dict[str, list[str]] = {}
        self.part: _Field | _File
        self.memory_left = FORM_MEMORY
        self.text = 0  # bytes of memory for the fields
        self._fields_left = limits.max_form_fields
        self._files_left = limits.max_files

    def begin(self, segment: Any) -> None:
        """Begin the part whose headers, as the parser has read them, are *segment*."""
        # The parser notices a bare line feed only where a chunk happens to end after it.
        if any("\n" in text for header in segment.headerlist for text in header):
            raise BadRequest("the multipart body is malformed")
        # RFC 7578, 4.2 demands a name; inputs without one are not sent by browsers.
        if not segment.name:
            raise BadRequest("a part of the multipart body has no name")
        name = _text(segment.name)
        headers = {key.lower(): _text(value) for key, value in segment.headerlist}
        filename = _filename(segment.filename, headers["content-disposition"])
        if filename is None:
            self.part = _Field(self, name)
        else:
            self.part = _File(self, name, filename, headers)

    def count_field(self) -> None:
        if not self._fields_left:
            raise ContentTooLarge(TOO_MANY_FIELDS)
        self._fields_left -= 1

    def count_file(self) -> None:
        if not self._files_left:
            raise ContentTooLarge(TOO_MANY_FILES)
        self._files_left -= 1


class _Field:
    """A part that is a text field."""

    def __init__(self, form: _Form, name: str) -> None:
        form.count_field()
        self._form = form
        self._name = name
        self._value = bytearray()

    async def write(self, chunk: bytes | bytearray) -> None:
        self._value += chunk
        if len(self._value) > self._form.limits.max_form_field_size:
            raise ContentTooLarge(FIELD_TOO_LONG)

    async def end(self) -> None:
        value = self._value.decode("utf-8", "replace")
        self._form.text = with_memory_of(value, self._form.text, self._form.limits)
        self._form.fields.setdefault(self._name, []).append(value)


class _File:
    """A part that is a file, unless it is the trace of a file input left empty."""

    def __init__(self, form: _Form, name: str, filename: str, headers: dict[str, str]) -> None:
        self._form = form
        self._name = name
        self._filename = filename
        self._headers = headers
        # An empty input has neither a file name nor content (HTML, 4.10.21.4).
        self._spool = self._add() if filename else None

    async def write(self, chunk: bytes | bytearray) -> None:
        if self._spool is None:
            self._spool = self._add()
        await self._spool.write(chunk)

    async def end(self) -> None:
        if self._spool is None:
            self._form.count_field()  # it took as much work, so a million of them are too many
            return
        await self._spool.finish(self._form.memory_left)
        self._form.memory_left -= self._spool.in_memory

    def _add(self) -> Spool:
        """Hand the file to the form at once, so that it is closed even if it never ends."""
        self._form.count_file()
        spool = Spool()
        self._form.files.add(self._name, UploadFile(self._filename, self._headers, spool))
        return spool


def _new_parser(boundary: bytes) -> Any:
    try:
        import aiofiles.threadpool  # noqa: F401 - for Spool, but missed before anything is read
        from multipart import (  # type: ignore[import-untyped] # it has no py.typed
            PushMultipartParser,
        )
    except ImportError as error:
        raise RuntimeError(
            "multipart bodies need 'multipart' and 'aiofiles': pip install 'micropie[multipart]'"
        ) from error
    return PushMultipartParser(
        boundary,
        max_header_size=MAX_PART_HEADER_SIZE,
        max_header_count=MAX_PART_HEADERS,
        # Any byte is latin-1: what is not UTF-8 is then ours to replace instead of an error.
        header_charset="latin-1",
    )


def _events(parser: Any, chunk: bytes) -> Generator[Any, None, None]:
    """Yield what *chunk* completes: a part's headers, some of its bytes, None at its end."""
    from multipart import ParserLimitReached

    try:
        yield from parser.parse(chunk)
    except ParserLimitReached:
        raise ContentTooLarge("a part of the multipart body has too many headers") from None
    except ValueError:
        raise BadRequest("the multipart body is malformed") from None


# Characters of a Content-Type with a boundary, which has 70 at most. Some servers limit no header,
# and to look for parameters takes half a second a MB.
_MOST_TYPE = 8 * 1024

# Compiled on first use: not every app has forms.
_PARAMETER = r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)'
_BOUNDARY = r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]"
# Forbidden by RFC 7578, 4.2, but how .NET and older aiohttp send a name beyond ASCII; .NET puts a
# useless one beside it, so this one wins.
_EXTENDED_FILENAME = r"""(?i);\s*filename\*=utf-8'[^']*'([^\s;"]+)\s*$"""


def _filename(filename: str | None, disposition: str) -> str | None:
    """Return the file's name out of a Content-Disposition header; None if it is a field's."""
    if extended := re.search(_EXTENDED_FILENAME, disposition):
        return unquoted(extended[1]).decode("utf-8", "replace")
    return None if filename is None else _text(filename)


def _text(value: str) -> str:
    """Return a header's text, read as latin-1, as the UTF-8 it is meant to be."""
    return value if value.isascii() else value.encode("latin-1").decode("utf-8", "replace")
