"""What is known of a route: what `app.routes` lists, and hooks find in `request.route`."""

from dataclasses import dataclass
from typing import Any, Literal

from micropie.types import ASGIApp, Handler


@dataclass(frozen=True, slots=True, eq=False)
class ParameterInfo:
    """A parameter of a handler.

    Attributes:
        name: with the stars of `*segments` and `**others`.
        annotation: `inspect.Parameter.empty` if there is none.
        default: likewise.
        source: where its value is looked for first. "path": a segment of the path, and, if the
            handler is reached by its name, what "query" says. "query": what goes by its name in the
            query, a form or a JSON object. "file": an uploaded file. "body": the body as a whole.
    """

    __module__ = "micropie"

    name: str
    annotation: Any
    default: Any
    source: Literal["path", "query", "file", "body"]


@dataclass(frozen=True, slots=True, eq=False)
class RouteInfo:
    """A route of an App. There is one object for each, so `==` and `in` compare by identity.

    Attributes:
        path: the pattern of an explicit route; of any other handler the path that leaves nothing
            for its arguments; "" if no path leads to it, but a hook has chosen it.
        methods: those it answers; None for all.
        name: the handler's name in its class; of a mounted app that of its function or class.
        handler: the function, bound to the App; of a mount the app.
        parameters: what the handler takes.
        doc: its docstring.
        kind: what it serves.
    """

    __module__ = "micropie"

    path: str
    methods: frozenset[str] | None
    name: str
    handler: Handler | ASGIApp
    parameters: tuple[ParameterInfo, ...] = ()
    doc: str | None = None
    kind: Literal["http", "websocket", "mount"] = "http"
