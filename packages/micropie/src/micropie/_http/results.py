"""What handlers and hooks may return, for annotations and type checkers."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypedDict

from micropie._http.events import EventStream
from micropie._http.response import ASGIResponse
from micropie.types import HeadersInput

if TYPE_CHECKING:
    # What tells a dataclass, a Struct of msgspec and a model of pydantic from other objects.
    class _Dataclass(Protocol):
        __dataclass_fields__: ClassVar[dict[str, Any]]

    class _Struct(Protocol):
        __struct_fields__: ClassVar[tuple[str, ...]]

    class _Model(Protocol):
        __pydantic_serializer__: ClassVar[Any]

    _Object: TypeAlias = _Dataclass | _Struct | _Model
    # A TypedDict is a dict, but to type checkers only a Mapping.
    _Json: TypeAlias = dict[Any, Any] | Mapping[str, object] | list[Any] | float | bool
    # Generators: functions with `yield` are often annotated with what their callers need to know.
    _Stream: TypeAlias = AsyncIterator[str | bytes] | Iterator[str | bytes] | EventStream
    ResponseBody: TypeAlias = str | bytes | _Json | _Object | _Stream | None
    Result: TypeAlias = (
        ResponseBody
        | ASGIResponse
        | tuple[int, ResponseBody]
        | tuple[int, ResponseBody, HeadersInput | None]
    )
else:  # making these would take as long as all other types together, and nobody looks at them
    ResponseBody = Result = Any


class HookAnswer(TypedDict, total=False):
    """What a hook of an HttpMiddleware may return, to answer or to replace; see each hook."""

    status_code: int
    body: ResponseBody
    headers: HeadersInput


class WebSocketRefusal(TypedDict, total=False):
    """What `before_websocket` may return, to refuse: 1008 if there is no `code`."""

    code: int
    reason: str
