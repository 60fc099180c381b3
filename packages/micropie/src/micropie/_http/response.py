"""Responses: from what a handler returned to status, headers and body, all checked."""

from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any

from micropie._errors import ExplainedError, HTTPError, ResponseError, status_line
from micropie._headers import header_pairs, raw_header
from micropie._http.events import EVENT_HEADERS, EventStream
from micropie._http.streaming import BodyStream
from micropie.codec import dumps, is_dataclass, is_model, model_json
from micropie.types import ASGIApp, HeadersInput, Message, RawHeaders, Stream

HTML = (b"content-type", b"text/html; charset=utf-8")
_JSON = (b"content-type", b"application/json")
_EVENTS = (b"content-type", b"text/event-stream")
PLAIN_TEXT = "text/plain; charset=utf-8"
_PLAIN = (b"content-type", PLAIN_TEXT.encode())

# Responses that carry no body, and so no length and no type (RFC 9110, 15.3.5 and 15.4.5).
BODILESS = frozenset({204, 304})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})

# The whole body, the generator of its chunks, or that generator set going.
Content = bytes | Stream | EventStream | BodyStream

# The two ASGI messages of a response; a stream stands in for the second.
Messages = tuple[Message, dict[str, Any] | Stream | EventStream | BodyStream]


def content_length(size: int) -> tuple[bytes, bytes]:
    """Return the header that announces a body of *size* bytes."""
    return b"content-length", b"%d" % size


# Ready for bodies of fewer bytes: making one takes longer than encoding most of them.
SHORT = 1024
CONTENT_LENGTHS = tuple(map(content_length, range(SHORT)))


class ASGIResponse:
    """Return one from a handler to have another ASGI app answer the request.

    The app is called with the handler's own scope. Session and hooks are treated as with a mounted
    app: the session is stored before the head of its response goes out, and `after_request` sees
    status and headers, body None, and may give another body. What the app raises before that is
    answered as if the handler had.

    Attributes:
        app: an ASGI app.
    """

    __slots__ = ("app",)

    def __init__(self, app: ASGIApp) -> None:
        self.app = app


def ready_messages(result: Any, method: str) -> tuple[Message, Message] | None:
    """Return what to send for the most common of results, without making a Response of it.

    None for any result but a plain str or dict, or an HTTPError that is nothing but a status; and
    for those that `Response` must check.
    """
    if method == "HEAD":
        return None
    status = 200
    if type(result) is dict:
        content_type = _JSON
        try:
            body = dumps(result)
        except (TypeError, ValueError):
            return None
    elif type(result) is str:
        content_type = HTML
        body = result.encode("utf-8", "replace")
    elif type(result) is HTTPError and result.body is None is result.headers:
        status, content_type = result.status_code, _PLAIN
        if type(status) is not int or not 400 <= status <= 599:
            return None
        body = status_line(status).encode()
    else:
        return None
    size = len(body)
    length = CONTENT_LENGTHS[size] if size < SHORT else content_length(size)
    start = {"type": "http.response.start", "status": status, "headers": [content_type, length]}
    return start, {"type": "http.response.body", "body": body}


class Response:
    """A response before it is sent, as `after_request` sees it.

    Attributes:
        status: 200 to 599.
        body: what the handler returned as the body.
        headers: (name, value) pairs beside the automatic ones; hooks may change them in place.
        content: the body as it will be sent.

    Raises:
        ResponseError: the status or the body is not valid.
        TypeError, ValueError: the body has no JSON form.
    """

    __slots__ = ("_content_type", "body", "content", "headers", "status")

    def __init__(
        self,
        status: Any,
        body: Any,
        headers: HeadersInput | None = None,
        content_type: str | None = None,
    ) -> None:
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ResponseError(
                f"gave the status {status!r}; a status is a number, 200 to 599, and comes before "
                "the body"
            )
        self.status = int(status)
        self.body = body
        self.headers = [] if headers is None else header_pairs(headers)
        self.content, self._content_type = _encode(body)
        if content_type is not None:
            self._content_type = (b"content-type", content_type.encode())

    @classmethod
    def of(cls, result: Any) -> "Response":
        """Return the response that a handler's *result* stands for.

        Raises:
            ResponseError: it stands for none.
            TypeError, ValueError: it has no JSON form.
        """
        if isinstance(result, cls):
            return result
        if result is None:
            return cls(204, None)
        if not isinstance(result, tuple):
            return cls(200, result)
        if len(result) in (2, 3) and not isinstance(result[0], bool):
            return cls(*result)
        raise ResponseError(
            f"returned a tuple of {len(result)}; it must be (status, body) or "
            "(status, body, headers)"
        )

    @classmethod
    def of_error(cls, error: HTTPError) -> "Response":
        """Return the response that *error* asks for.

        Raises:
            ResponseError: it asks for one that can't be sent.
            TypeError, ValueError: its body has no JSON form.
        """
        body = status_line(error.status_code) if error.body is None else error.body
        # Plain text for the framework's own words. Without the header among the response's own, a
        # hook that puts an error page in their place gets HTML again.
        is_ours = error.body is None or isinstance(error, ExplainedError)
        return cls(error.status_code, body, error.headers, PLAIN_TEXT if is_ours else None)

    def replaced(self, changes: Mapping[str, Any]) -> "Response":
        """Return this response with the keys that a hook gave: status_code, body, headers.

        Raises:
            ResponseError: there are other keys, or a value is not valid.
        """
        _check_keys(changes)
        status = changes.get("status_code", self.status)
        headers = changes.get("headers", self.headers)
        # Handed on as it came it keeps its type, and a stream that has begun goes on.
        if changes.get("body", self.body) is not self.body:
            return Response(status, changes["body"], headers)
        replaced = type(self)(status, None, headers)
        replaced.body, replaced.content = self.body, self.content
        replaced._content_type = self._content_type
        return replaced

    def render(self, method: str) -> Messages:
        """Return the messages to send in answer to *method*.

        Raises:
            ResponseError: a header may not be sent.
        """
        content: Content = b"" if self.status in BODILESS else self.content
        start = {
            "type": "http.response.start",
            "status": self.status,
            "headers": self._render_headers(is_head=method == "HEAD"),
        }
        if method == "HEAD":
            content = b""  # a stream that has begun is closed by the exchange
        if not isinstance(content, bytes):
            return start, content
        return start, {"type": "http.response.body", "body": content}

    def _render_headers(self, *, is_head: bool) -> RawHeaders:
        raw = [raw_header(pair) for pair in self.headers]
        names = dict(raw)
        content, is_bodiless = self.content, self.status in BODILESS
        size = len(content) if isinstance(content, bytes) else None
        if not _FRAMING.isdisjoint(names):
            dropped = {b"transfer-encoding"}  # framing is the server's
            # A length given by hand counts only where the real one can't be known.
            if is_bodiless or size or (size == 0 and not is_head):
                dropped.add(b"content-length")
                names.pop(b"content-length", None)
            raw = [pair for pair in raw if pair[0] not in dropped]
        if is_bodiless:
            return raw
        if self._content_type is not None and b"content-type" not in names:
            raw.append(self._content_type)
        if self._content_type is _EVENTS:
            raw += [pair for pair in EVENT_HEADERS if pair[0] not in names]
        if size is not None and b"content-length" not in names:
            raw.append(CONTENT_LENGTHS[size] if size < SHORT else content_length(size))
        return raw


def response_of_hook(answer: Any, status: int = 200) -> Response:
    """Return the response that a hook answered with; *status* is used if that gives none.

    Raises:
        ResponseError: *answer* is not a dict of status_code, body and headers.
    """
    if not isinstance(answer, Mapping):
        raise ResponseError(
            f"returned {type(answer).__name__} from a hook; it must be None or a dict"
        )
    _check_keys(answer)
    return Response(answer.get("status_code", status), answer.get("body"), answer.get("headers"))


def _check_keys(answer: Mapping[str, Any]) -> None:
    unknown = answer.keys() - {"status_code", "body", "headers"}
    if unknown:
        raise ResponseError(
            f"returned unknown keys from a hook: {sorted(map(str, unknown))}; the keys are "
            "status_code, body and headers"
        )


def _encode(body: Any) -> tuple[Content, tuple[bytes, bytes] | None]:
    """Return the bytes or stream of *body* and the content type it has by default."""
    if type(body) is dict:
        return dumps(body), _JSON
    if isinstance(body, str):
        return body.encode("utf-8", "replace"), HTML
    if isinstance(body, bytes):
        return body, HTML
    if body is None:
        return b"", None
    if isinstance(body, dict | list | int | float):  # bool is an int
        return dumps(body), _JSON
    if is_model(body) and not isinstance(body, type):  # a class of msgspec has the same marks
        return model_json(body), _JSON
    if isinstance(body, AsyncGenerator | Generator):
        return body, HTML
    if isinstance(body, EventStream):
        return body, _EVENTS
    if isinstance(body, ASGIResponse):
        hint = "a handler returns it alone; the app gives status and headers"
    elif is_dataclass(body):
        return dumps(body), _JSON
    elif hasattr(body, "__await__"):
        name = getattr(body, "__qualname__", None)  # of a coroutine, not of a future
        hint = f"did you forget to await {f'{name}()' if name else 'it'}?"
        if hasattr(body, "close"):
            body.close()  # a coroutine would warn that it was never awaited
    else:
        hint = "return str, bytes, None, a generator, or dict, list, number or model for JSON"
    raise ResponseError(f"returned {type(body).__name__}, which is not a response; {hint}")
