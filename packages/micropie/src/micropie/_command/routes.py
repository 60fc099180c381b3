"""`micropie routes`: what an App serves, as a table or as JSON."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

from micropie._command.targets import TargetError, load
from micropie._http.route_info import ParameterInfo, RouteInfo
from micropie.app import App


def routes(app: str, as_json: bool) -> None:
    """Print the routes of *app*, those of mounted Apps too.

    Raises:
        TargetError: *app* can't be loaded, or is not an App.
    """
    found = load(app)
    if not isinstance(found, App):
        raise TargetError(f"only an App has routes, and {app} is of type {type(found).__name__}")
    described = [*_routes_of(found, "")]
    if as_json:
        print(json.dumps([_as_json(path, route) for path, route in described], indent=2))
        return
    rows = [("METHODS", "PATH", "NAME", "PARAMETERS")]
    rows += [_row(path, route) for path, route in described]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _routes_of(
    app: App, prefix: str, above: tuple[App, ...] = ()
) -> Iterator[tuple[str, RouteInfo]]:
    """Yield each route of *app* with its whole path; after a mounted App, the routes of that."""
    for route in app.routes:
        yield prefix + route.path, route
        mounted = route.handler if route.kind == "mount" else None
        if isinstance(mounted, App) and mounted not in (app, *above):
            yield from _routes_of(mounted, (prefix + route.path).rstrip("/"), (app, *above))


def _row(path: str, route: RouteInfo) -> tuple[str, str, str, str]:
    methods = {"websocket": "WebSocket", "mount": "mount"}.get(route.kind)
    if methods is None:
        methods = "any" if route.methods is None else " ".join(sorted(route.methods))
    return methods, path, route.name, ", ".join(each.name for each in route.parameters)


def _as_json(path: str, route: RouteInfo) -> dict[str, Any]:
    handler: Any = route.handler
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return {
        "path": path,
        "methods": None if route.methods is None else sorted(route.methods),
        "name": route.name,
        "handler": f"{named.__module__}:{named.__qualname__}",
        "parameters": [_parameter_as_json(each) for each in route.parameters],
        "doc": route.doc,
        "kind": route.kind,
    }


def _parameter_as_json(parameter: ParameterInfo) -> dict[str, Any]:
    """Return *parameter*; without a default if it has none."""
    has_annotation = parameter.annotation is not inspect.Parameter.empty
    described: dict[str, Any] = {
        "name": parameter.name,
        "annotation": inspect.formatannotation(parameter.annotation) if has_annotation else None,
        "source": parameter.source,
    }
    if parameter.default is not inspect.Parameter.empty:
        try:
            described["default"] = json.loads(json.dumps(parameter.default))
        except (TypeError, ValueError):
            described["default"] = repr(parameter.default)
    return described
