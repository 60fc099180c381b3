"""Static: the ASGI app that serves the files of a folder."""

import os
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from micropie import App
from micropie_static.files import File, Files, Redirect
from micropie_static.manifest import Manifest
from micropie_static.response import FileResponse, Receive, Scope, Send
from micropie_static.threads import in_thread


class Static:
    """Serves the files of a folder: `app.mount("/static", Static("static"))`.

    Which files there are is found out once; a file that has changed since is served as it is now,
    one that was added is not found. With *autorefresh* the folder is looked at for every request.

    Args:
        root: the folder; a relative path means the working directory of this moment.
        max_age: seconds for which browsers and proxies may keep a file without asking again; None
            sends no Cache-Control.
        immutable: let them keep files with a hash in their name (`app.0123456789ab.css`) for ever.
        index: the file that stands for its folder, "index.html" for example; None for no such.
        autorefresh: see new files at once (for development); None does so if the App that this is
            mounted on has `debug` set.
        headers: headers to send with every file, by name.

    Raises:
        FileNotFoundError, NotADirectoryError: *root* is no folder.
        TypeError, ValueError: an argument can't be, or the manifest in *root* can't be read.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        max_age: int | None = 60,
        immutable: bool = True,
        index: str | None = None,
        autorefresh: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._autorefresh = autorefresh
        self._app: App | None = None
        self._prefix = ""
        self._files = Files(
            root, max_age=max_age, immutable=immutable, index=index, headers=headers or {}
        )
        self._manifest = Manifest(self._files.root)

    def on_mount(self, app: App, path: str) -> None:
        """Take note of where this is mounted; of several places, the first is the one of `url`.

        Args:
            app: the App that it is mounted on, which calls this.
            path: the path of the mount.
        """
        if self._app is None:
            self._app, self._prefix = app, path.rstrip("/")

    def url(self, name: str) -> str:
        """Return the path of the file *name*, with the hash that the manifest gives it.

        Args:
            name: a path below the root, with slashes: "css/app.css".

        Raises:
            RuntimeError: this was not mounted on an App.
        """
        if self._app is None:
            raise RuntimeError(f"url({name!r}): mount this first, as app.mount('/static', static)")
        name = self._manifest.hashed(name.lstrip("/"), refresh=self._refreshes)
        return quote(f"{self._app.root_path}{self._prefix}/{name}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        if scope["type"] != "http":
            raise ValueError(f"Static serves no {scope['type']!r} connections")
        url = _below_root_path(scope)
        if self._refreshes:
            found = await in_thread(self._files.look_up, url)
        else:
            found = self._files.files.get(url)
        if found is None:
            await _send_error(404, scope, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await _send_error(405, scope, send)
        elif isinstance(found, Redirect):
            await _send_redirect(found, scope, send)
        else:
            await self._send_file(url, found, scope, receive, send)

    @property
    def _refreshes(self) -> bool:
        if self._autorefresh is None:
            return self._app is not None and self._app.debug
        return self._autorefresh

    async def _send_file(
        self, url: str, file: File, scope: Scope, receive: Receive, send: Send
    ) -> None:
        response = FileResponse(scope)
        try:
            if not await in_thread(response.open, file):
                # It is not what it was. Once more, and if it has changed again it is not there.
                changed = await in_thread(self._files.reload, url, file)
                if changed is None or not await in_thread(response.open, changed):
                    await _send_error(404, scope, send)
                    return
            await response.send(receive, send)
        finally:
            response.close()


def _below_root_path(scope: Scope) -> str:
    """Return the path below the mount, as the App gives it (ASGI: root_path is part of path)."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))


async def _send_redirect(redirect: Redirect, scope: Scope, send: Send) -> None:
    # Relative to the URL that the client has asked for, whatever proxies have made of it.
    location = quote(scope["path"].rpartition("/")[2]) + "/" if redirect.adds_slash else "./"
    if query := scope.get("query_string", b""):
        location += "?" + query.decode("latin-1")
    headers = [
        *redirect.headers,
        (b"location", location.encode("latin-1")),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 302, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _send_error(status: int, scope: Scope, send: Send) -> None:
    body = f"{status} {HTTPStatus(status).phrase}".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
