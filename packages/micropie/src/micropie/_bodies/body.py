"""The body of a request by the rules of HTTP: announced, limited, and read once."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from micropie import codec
from micropie._bodies.form_limits import FormLimits
from micropie._bodies.inbox import Inbox
from micropie._bodies.uploads import Files
from micropie._bodies.urlencoded import parse_form
from micropie._errors import (
    BadRequest,
    ClientDisconnected,
    ContentTooLarge,
    ExplainedError,
)
from micropie.types import Message, Receive, Scope

# Digits of a Content-Length: an exabyte is enough, and int() is slow for thousands of them.
_DIGITS = 18


class BodyLimits(NamedTuple):
    """What an App accepts as a body.

    Attributes:
        max_size: bytes; None for no limit.
        max_json_size: bytes of a JSON body; None for no limit but `max_size`.
        timeout: seconds without a chunk; None for no limit.
        form: the limits of forms.
    """

    max_size: int | None
    max_json_size: int | None
    timeout: float | None
    form: FormLimits


# Bytes of JSON that may take more than some 30 ms to make models of, or a few to parse.
_LARGE_JSON = 32 * 1024

# How far the reading of a body has come.
_UNREAD, _BEGUN, _COMPLETE = range(3)


class Body:
    """The body of one HTTP request.

    Theory of operation. The head announces a body or not, and its length or not (RFC 9112, 6.3):
    that is settled when this object is made. `read` or `stream`, whichever comes first, takes the
    body from _UNREAD to _BEGUN, and its last message to _COMPLETE; a second reader is refused. Only
    `read` keeps the bytes, and then gives them to every later reader. Each chunk is checked against
    the limit and the announced length, before anybody sees it.

    Args:
        scope: the request's.
        last_headers: its headers, the last one of each name.
        inbox: gives the messages.
        limits: of size and time.

    Attributes:
        limits: as given.
        length: bytes that its head announces; None if it does not say.

    Raises:
        BadRequest: Content-Length is not a number, is given twice with different values, or is
            given beside Transfer-Encoding.
    """

    _raw: bytes | None = None
    _narrowed: int | None = None  # bytes, if the reader takes fewer than the App
    _progress = _UNREAD
    _size = 0  # bytes received

    def __init__(
        self, scope: Scope, last_headers: dict[bytes, bytes], inbox: Inbox, limits: BodyLimits
    ) -> None:
        self._scope = scope
        self._last_headers = last_headers
        self._inbox = inbox
        self.limits = limits
        headers = scope["headers"]
        value = last_headers.get(b"content-length", b"")
        # The common case: nothing is repeated, and nothing contradicts the number.
        is_alone = len(last_headers) == len(headers) and b"transfer-encoding" not in last_headers
        if is_alone and value.isdigit() and len(value) <= _DIGITS:
            self.length: int | None = int(value)
        else:
            self.length = _content_length(last_headers, headers)

    @property
    def is_expected(self) -> bool:
        """Whether the head of the request announces a body (RFC 9112, 6.3)."""
        if self.length is not None:
            return self.length > 0
        # HTTP/2 and 3 need neither header: there a type announces a body.
        last_headers = self._last_headers
        return b"transfer-encoding" in last_headers or (
            self._is_new_http and b"content-type" in last_headers
        )

    @property
    def _is_new_http(self) -> bool:
        return self._scope.get("http_version", "1.1") not in ("1.0", "1.1")

    def exceeds(self, size: int) -> bool:
        """Tell whether there are more than *size* bytes; if nobody knows yet, reading tells.

        Raises:
            ContentTooLarge: there are even more than the App takes.
        """
        known = self.length if self._raw is None else len(self._raw)
        if known is None:
            self._narrowed = size
        elif known > size:
            self._check_size(known)
            return True
        return False

    async def read(self) -> bytes:
        """Return the whole body; the same again when called again.

        Raises:
            RuntimeError: it was streamed already, or was multipart and parsed.
            HTTPError: 413, 408 or 400, as `stream`.
        """
        if self._raw is None:
            self._begin()
            message = self._inbox.at_once() or await self._wait()
            raw = message.get("body")
            # Nearly every body comes whole, in one message: then no check can fail.
            if not raw or len(raw) != self.length or message.get("more_body", False):
                # A list of chunks would take twenty times their size if they are tiny.
                data = bytearray(self._chunk_of(message))
                while self._progress != _COMPLETE:
                    data += self._chunk_of(self._inbox.at_once() or await self._wait())
                raw = bytes(data)
            self._progress = _COMPLETE
            self._raw = raw
        return self._raw

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body in chunks as they come.

        Raises:
            RuntimeError: it was streamed already, or was multipart and parsed.
            HTTPError: 413 for a body over the limit, 408 for a client that stalls, 400 for one
                that leaves, or sends another length than it announced.
        """
        if self._raw is not None:
            yield self._raw
            return
        self._begin()
        while self._progress != _COMPLETE:
            chunk = self._chunk_of(self._inbox.at_once() or await self._wait())
            if chunk:
                yield chunk

    def replayed(self) -> Receive:
        """Return a channel that gives the body once more, to another app.

        Raises:
            RuntimeError: it was read and not kept.
        """
        raw = self._raw
        if raw is None:
            if self._progress != _UNREAD:
                raise RuntimeError("a hook read the body of a request for a mounted app")
            return self._inbox.receive
        messages = [{"type": "http.request", "body": raw, "more_body": False}]

        async def receive() -> Message:
            return messages.pop() if messages else await self._inbox.receive()

        return receive

    def _begin(self) -> None:
        if self._progress != _UNREAD:
            raise RuntimeError("the body was read already, and was not kept")
        self._progress = _BEGUN
        limit, length = self.limits.max_size, self.length
        if limit is not None and length is not None and length > limit:
            raise ContentTooLarge(f"the body is over {limit} bytes")

    def _check_size(self, size: int) -> None:
        for limit in (self._narrowed, self.limits.max_size):
            if limit is not None and size > limit:
                raise ContentTooLarge(f"the body is over {limit} bytes")

    async def _wait(self) -> Message:
        """Return the message that had not arrived yet."""
        try:
            return await self._inbox.next(self.limits.timeout)
        except TimeoutError:
            error = ExplainedError(408, "no data came for too long")
            # The rest of the body may still come: it must not be taken for another request. But
            # in newer HTTP such a header is an error (RFC 9113, 8.2.2).
            raise (error if self._is_new_http else _and_close(error)) from None

    def _chunk_of(self, message: Message) -> bytes:
        """Return the bytes of *message*, within all limits."""
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        chunk: bytes = message.get("body", b"")
        is_complete = not message.get("more_body", False)
        self._size += len(chunk)
        length, size = self.length, self._size
        if is_complete:
            self._progress = _COMPLETE
        self._check_size(size)
        if length is not None and (size > length or (size < length and is_complete)):
            raise BadRequest("the body is not as long as its Content-Length")
        return chunk


class ParsedBody:
    """A body that was received, and is parsed when first looked at: a form, or a JSON document.

    Args:
        raw: what to parse: JSON if *is_json*, else a urlencoded form.
        limits: of the form, and of a JSON object's keys, which bind like fields.
        is_json: what *raw* is.
        max_json_size: bytes that a JSON document may have; limits its values, see `codec.loads`.

    Attributes:
        form: all values of every name; None until `fields` is asked for.
        is_json: as given.
        is_large: whether it is JSON that takes too long for one step of the event loop to convert.
        files: the uploaded files; None if there are none.
        refused: why the body was not received; raised when somebody looks at it.
    """

    form: dict[str, list[Any]] | None = None
    files: Files | None = None
    refused: str | None = None
    _value: Any = None

    def __init__(
        self, raw: bytes, limits: FormLimits, is_json: bool, max_json_size: int | None = None
    ) -> None:
        self._raw: bytes | None = raw
        self._max_json_size = max_json_size
        self._limits = limits
        self.is_json = is_json
        self.is_large = is_json and len(raw) > _LARGE_JSON

    @property
    def json(self) -> Any:
        """The value of the document; None for a form.

        Raises:
            BadRequest: it is not JSON.
            ContentTooLarge: it was not received, or has too many values.
        """
        raw = self._raw
        if raw is not None and self.is_json:
            if self.refused is not None:
                raise ContentTooLarge(self.refused)
            try:
                self._value = codec.loads(raw, self._max_json_size)
            except codec.TooManyValues as error:
                raise ContentTooLarge(str(error)) from None
            except ValueError:
                raise BadRequest("the body is not valid JSON") from None
            self._raw = None
            if self.is_large:
                _release_later(self._value)
        return self._value

    @property
    def fields(self) -> dict[str, list[Any]]:
        """The form, which a JSON object becomes here, with one value a name.

        Raises:
            BadRequest: it is not JSON.
            ContentTooLarge: a limit is exceeded.
        """
        if self.form is not None:
            return self.form
        if not self.is_json:
            form: dict[str, list[Any]] = parse_form(self._raw or b"", self._limits)
        else:
            value = self.json
            values = value if isinstance(value, dict) else {}
            if len(values) > self._limits.max_form_fields:
                raise ContentTooLarge("too many keys in the JSON object")
            form = {name: [item] for name, item in values.items()}
        self.form = form
        return form


def _release_later(value: Any) -> None:
    """Keep *value* until the event loop's next step: releasing it takes half as long as parsing."""
    with suppress(RuntimeError):  # in a thread there is no loop to hold up
        asyncio.get_running_loop().call_soon(id, value)


def _content_length(
    last_headers: dict[bytes, bytes], headers: Iterable[tuple[bytes, bytes]]
) -> int | None:
    found = last_headers.get(b"content-length")
    if found is None:
        return None
    if b"transfer-encoding" in last_headers:
        raise ambiguous_length()
    # int() would also take "+5" and "1_0".
    found = found.strip()
    is_one = {value.strip() for name, value in headers if name == b"content-length"} == {found}
    if not is_one or not found.isdigit() or len(found) > _DIGITS:
        raise BadRequest("Content-Length must be one number")
    return int(found)


def ambiguous_length() -> ExplainedError:
    """Return the error for a request with both Content-Length and Transfer-Encoding.

    A proxy may have gone by the other one, and see another request in what follows (RFC 9112, 6.3).
    """
    return _and_close(BadRequest("Content-Length and Transfer-Encoding exclude each other"))


def _and_close(error: ExplainedError) -> ExplainedError:
    """Let the server close the connection after the answer to HTTP/1."""
    error.headers = {"Connection": "close"}
    return error
