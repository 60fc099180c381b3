"""Mounts: which other ASGI app, if any, serves a path, before the App's handlers do."""

from typing import TYPE_CHECKING, Any, NamedTuple

from micropie._handlers.endpoint import Endpoint
from micropie._handlers.routing import RouteTable
from micropie._http.connection import Connection
from micropie._http.urls import below, has_dots, routed_path
from micropie._percent import quoted
from micropie._scope_keys import PARENT, REQUEST_STATE, ROOT_PATHS, SESSIONS
from micropie.types import ASGIApp, Scope

if TYPE_CHECKING:
    from micropie._http.route_info import RouteInfo


class Mount(NamedTuple):
    """A mounted app that serves a request.

    Attributes:
        app: the app.
        scope: what to call it with: `root_path` is extended, `path` stays whole.
    """

    app: ASGIApp
    scope: Scope


class Mounts(dict[str, ASGIApp]):
    """Mounted apps by path prefix, "" for "/"; the longest prefix wins.

    Attributes:
        states: what the lifespans of these apps yielded for the scopes of their requests.
    """

    _longest = 0  # characters of a prefix

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, dict[str, Any]] = {}

    def add(self, path: str, app: ASGIApp) -> None:
        """Serve everything below *path* from *app*.

        Raises:
            TypeError: *app* can't be called, or is a class.
            ValueError: *path* does not start with "/", has a segment that no request has, or is
                mounted already.
        """
        if not isinstance(path, str) or not path.startswith("/"):
            raise ValueError(f"mount path {path!r} must start with '/'")
        if not callable(app) or isinstance(app, type):
            raise TypeError(
                f"mount {path!r}: {app!r} is not an ASGI app; a class must be instantiated"
            )
        prefix = path.rstrip("/")
        for segment in prefix.split("/")[1:]:
            if segment in ("", ".", ".."):
                has = f"mount path {path!r} has the segment {segment!r}"
                raise ValueError(f"{has}, which no request has")
        if prefix in self:
            raise ValueError(f"{path!r} is mounted already")
        self[prefix] = app
        self._longest = max(self._longest, len(prefix))

    def find(self, scope: Scope) -> Mount | None:
        """Return the mount with the longest prefix of the path; "/" is left to `fallback`."""
        # Anything after the longest prefix and its slash is irrelevant, and may be a million
        # slashes, which would be cut off one by one.
        path = routed_path(scope)[: self._longest + 1]
        while path:
            if path in self:
                return Mount(self[path], self._child_scope(scope, path))
            # Cut at a "/" only: a mount at /static must not catch /statically.
            path = path.rpartition("/")[0]
        return None

    def fallback(self, scope: Scope) -> Mount | None:
        """Return the mount at "/", which serves what the handlers do not."""
        app = self.get("")
        return None if app is None else Mount(app, self._child_scope(scope, ""))

    def described(self) -> "list[RouteInfo]":
        """Return what users may know of the mounts."""
        from micropie._http.route_info import RouteInfo

        return [
            RouteInfo(
                prefix or "/", None, getattr(app, "__name__", type(app).__name__), app, kind="mount"
            )
            for prefix, app in self.items()
        ]

    def root_path(self, scope: Scope) -> str:
        """Return the `root_path` of the App these belong to, also in the scope of one below it."""
        root_path: str = scope.get(ROOT_PATHS, {}).get(id(self), scope.get("root_path", ""))
        return root_path.rstrip("/")

    def _child_scope(self, scope: Scope, prefix: str) -> Scope:
        root_path = scope.get("root_path", "").rstrip("/")
        path = scope["path"]
        child = {**scope, "root_path": root_path + prefix}
        child[ROOT_PATHS] = {**scope.get(ROOT_PATHS, {}), id(self): root_path}
        if prefix in self.states:
            child["state"] = {**scope.get("state", {}), **self.states[prefix]}
        # Set anew for a mount that shares the session; any other must not find this one's.
        child.pop(PARENT, None)
        child.pop(SESSIONS, None)
        if root_path and below(path, root_path) == path:
            # A server that reports the path without the proxy's prefix.
            child["path"] = root_path + path
            if scope.get("raw_path"):
                child["raw_path"] = quoted(root_path).encode() + scope["raw_path"]
        return child


def mount_or_endpoint(
    connection: Connection, mounts: Mounts, routes: RouteTable
) -> tuple[Mount | None, Endpoint | None]:
    """Return what serves the path of *connection*: a mount, else a handler, else the mount at "/".

    Both are None if nothing does. Sets `path_params`, unless a mount longer than "/" serves it.
    """
    scope = connection.scope
    if mounts and has_dots(scope["path"]):
        return None, None
    mount, endpoint = mounts.find(scope) if mounts else None, None
    if mount is None:
        endpoint, connection.path_params = routes.find(scope)
        if endpoint is None and mounts:
            mount = mounts.fallback(scope)
    if mount is not None:
        mount.scope[REQUEST_STATE] = connection.state
    return mount, endpoint
