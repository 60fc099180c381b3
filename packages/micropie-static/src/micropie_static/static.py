"""Static, the class users make: an ASGI app that serves the files of a folder."""

import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from servestatic.utils import parse_accept_encoding

from micropie import App
from micropie.concurrency import run_in_thread
from micropie.types import RawHeaders, Receive, Scope, Send
from micropie_static.folder import Folder, Redirect
from micropie_static.headers import check_headers, raw_headers
from micropie_static.manifest import Manifest
from micropie_static.media_types import check_types, content_type
from micropie_static.response import has_large_headers, serve_file

# A name to which ServeStatic's command has given a hash.
_HASHED = re.compile(r".+\.[0-9a-f]{12}\..+")
_TEN_YEARS = 10 * 365 * 24 * 60 * 60  # seconds: forever, as nginx's "expires max" has it


class Static:
    """Serves the files of a folder: `app.mount("/static", Static("static"))`.

    The folder is listed once: a file that changes later is served as it is now, a file that is
    added later is not found. With *autorefresh* every request looks into the folder.

    Args:
        root: the folder; a relative path starts at the current working directory.
        max_age: seconds for which browsers and proxies may keep a file without asking again; None
            sends no Cache-Control.
        immutable: let them keep files with a hash in their name (`app.0123456789ab.css`) forever.
        index: the file that stands for its folder, "index.html" for example; None for none.
        fallback: the file below *root* that stands for every path without a file when a browser
            navigates there (`Accept: text/html`), as single-page apps want it; None for none.
        autorefresh: find new files at once (for development); None does so if the App that this
            is mounted on has `debug` set.
        headers: headers to send with every file, by name.
        types: media types by suffix (`{".xyz": "chemical/x-xyz"}`), beside or instead of those
            known.

    Raises:
        FileNotFoundError, NotADirectoryError: *root* is not a folder, or *fallback* not a file.
        TypeError, ValueError: an argument is invalid, or the manifest in *root* is.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        max_age: int | None = 60,
        immutable: bool = True,
        index: str | None = None,
        fallback: str | None = None,
        autorefresh: bool | None = None,
        headers: Mapping[str, str] | None = None,
        types: Mapping[str, str] | None = None,
    ) -> None:
        if max_age is not None and (not isinstance(max_age, int) or max_age < 0):
            raise ValueError(f"max_age must be a number of seconds or None, not {max_age!r}")
        check_headers(headers or {})
        check_types(types or {})
        self._max_age = max_age
        self._immutable = immutable
        self._autorefresh = autorefresh
        self._headers = headers or {}
        self._types = {suffix.lower(): value for suffix, value in (types or {}).items()}
        self._app: App | None = None
        self._prefix = ""
        self._folder = Folder(root, index, fallback, self._headers_of)
        self._manifest = Manifest(self._folder.root)

    def on_mount(self, app: App, path: str) -> None:
        """Remember the mount for `url`; of several mounts it uses the first.

        Args:
            app: the App that this is mounted on, which calls this.
            path: the path of the mount.
        """
        if self._app is None:
            self._app, self._prefix = app, path.rstrip("/")

    def url(self, name: str) -> str:
        """Return the URL path of the file *name*, hashed if the manifest has it.

        Args:
            name: a path below the root, with slashes: "css/app.css".

        Raises:
            RuntimeError: this is not mounted on an App.
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
            raise ValueError(f"Static can't serve {scope['type']!r} connections")
        if has_large_headers(scope):
            await _answer(431, {}, scope, send)
            return
        # Below the mount (ASGI: root_path is a part of path).
        url = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/"))
        if self._refreshes:
            found = await run_in_thread(self._folder.find, url)
        else:
            found = self._folder.get(url)
        fallback, refusal = self._folder.fallback, {}
        if fallback is not None and found is None:
            refusal = {"Vary": "Accept"}
            found = fallback if _is_navigation(scope) else None
        if found is not None and scope["method"] not in ("GET", "HEAD"):
            await _answer(405, {"Allow": "GET, HEAD"}, scope, send)
        elif isinstance(found, Redirect):
            await self._send_redirect(found, scope, send)
        elif found is None or not await serve_file(found, scope, receive, send):
            await _answer(404, refusal, scope, send)

    @property
    def _refreshes(self) -> bool:
        by_default = self._app is not None and self._app.debug
        return by_default if self._autorefresh is None else self._autorefresh

    def _headers_of(self, path: str, url: str) -> RawHeaders:
        media_type = content_type(path, '"utf-8"', self._types)
        return raw_headers({"Content-Type": media_type, **self._cache_control(url)}, self._headers)

    def _cache_control(self, url: str) -> dict[str, str]:
        if self._immutable and _HASHED.fullmatch(url):
            return {"Cache-Control": f"max-age={_TEN_YEARS}, public, immutable"}
        if self._max_age is None:
            return {}
        return {"Cache-Control": f"max-age={self._max_age}, public"}

    async def _send_redirect(self, found: Redirect, scope: Scope, send: Send) -> None:
        # Relative to the URL that the client requested, which proxies may have rewritten.
        name = quote(scope["path"].rpartition("/")[2])
        location = f"{name}/" if found is Redirect.MISSING_SLASH else "./"
        if query := scope.get("query_string", b""):
            location += "?" + query.decode("latin-1")
        await _answer(302, {"Location": location} | self._cache_control(""), scope, send)


def _is_navigation(scope: Scope) -> bool:
    """Return whether a browser wants a page; scripts, styles and images are not asked for so."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    # The same grammar as that of Accept-Encoding (RFC 9110, 12.5).
    types = parse_accept_encoding(accepted.decode("latin-1"))
    return scope["method"] in ("GET", "HEAD") and "text/html" in types


async def _answer(status: int, headers: Mapping[str, str], scope: Scope, send: Send) -> None:
    """Answer without a file: the body is the status."""
    body = f"{status} {HTTPStatus(status).phrase}".encode()
    usual = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    raw = raw_headers(usual, headers)
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
