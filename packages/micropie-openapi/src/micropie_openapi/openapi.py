"""OpenAPI, the class users make: an ASGI app that serves the document and its page."""

import html
import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from micropie import App, codec
from micropie.types import Receive, Scope, Send
from micropie_openapi.document import Document
from micropie_static import Static


class OpenAPI:
    """Describes an App: `app.mount("/docs", OpenAPI(title="Shop", version="1.0"))`.

    Below the mount, `openapi.json` is the document (OpenAPI 3.1), made of the App's routes when it
    is first asked for, and the mount itself a page that shows it: Swagger UI, from the files of a
    package.

    Args:
        title: of the API; None for the name of the App's class.
        version: of the API.
        description: of the API, in Markdown.
        error_model: the annotation of the body of errors, if an `on_error` makes one; None for the
            text that MicroPie sends.
        error_media_type: of that body.
        invalid_status: the status of what annotations refuse, if an `on_error` changes it from 400.
        security_schemes: by name, as OpenAPI has them; "session" is there already.
        security: the names of the schemes of all handlers but those for which `describe` names
            others, any of which lets a request in.
        session_cookie: the name of the session's cookie, as the App has it.

    Raises:
        TypeError: *title*, *version* or *description* is not a string, or *security* is one.
    """

    def __init__(
        self,
        *,
        title: str | None = None,
        version: str = "1.0",
        description: str = "",
        error_model: Any = None,
        error_media_type: str = "application/problem+json",
        invalid_status: int = 400,
        security_schemes: Mapping[str, Mapping[str, Any]] | None = None,
        security: Iterable[str] = (),
        session_cookie: str = "session_id",
    ) -> None:
        for name, value in (("title", title or ""), ("version", version)):
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a string, not {value!r}")
        if not isinstance(description, str):
            raise TypeError(f"description must be a string, not {description!r}")
        if isinstance(security, str):
            raise TypeError("security must be a list of strings, not a string")
        self._title = title
        self._version = version
        self._description = description
        self._errors = (error_model, error_media_type, invalid_status)
        session = {"type": "apiKey", "in": "cookie", "name": session_cookie}
        self._security_schemes = {"session": session, **(security_schemes or {})}
        self._security = tuple(security)
        self._app: App | None = None
        self._document: dict[str, Any] | None = None
        self._assets = Static(_swagger_ui(), max_age=3600)

    def on_mount(self, app: App, path: str) -> None:
        """Remember the App to describe; of several it is the first.

        Args:
            app: the App that this is mounted on, which calls this.
            path: the path of the mount.
        """
        if self._app is None:
            self._app = app

    def document(self) -> dict[str, Any]:
        """Return the document, without the JSON around it; made once.

        Raises:
            RuntimeError: this is not mounted on an App.
        """
        if self._app is None:
            raise RuntimeError("mount this first, as app.mount('/docs', OpenAPI())")
        if self._document is None:
            info = {"title": self._title or type(self._app).__name__, "version": self._version}
            if self._description:
                info["description"] = self._description
            document = Document(self._app, *self._errors)
            self._document = document.build(info, self._security_schemes, self._security)
        return {**self._document, "servers": [{"url": self._app.root_path or "/"}]}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        # Below the mount (ASGI: root_path is a part of path).
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/"))
        if scope["type"] != "http" or path not in ("", "/", "/openapi.json", "/page.js"):
            await self._assets(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            allow = [(b"allow", b"GET, HEAD")]
            await _send(scope, send, "text/plain", b"405 Method Not Allowed", 405, allow)
        elif path == "":
            # Relative to the URL that the client requested, which proxies may have rewritten.
            location = quote(scope["path"].rpartition("/")[2]) + "/"
            await _send(scope, send, "text/plain", b"", 307, [(b"location", location.encode())])
        elif path == "/":
            title = self.document()["info"]["title"]
            page = _PAGE.replace("{title}", html.escape(title))
            await _send(scope, send, "text/html; charset=utf-8", page.encode())
        elif path == "/openapi.json":
            await _send(scope, send, "application/json", codec.dumps(self.document()))
        else:
            await _send(scope, send, "text/javascript; charset=utf-8", _SCRIPT.encode())


def _swagger_ui() -> Path:
    """Return the folder with the files of Swagger UI, without an import of their package."""
    spec = importlib.util.find_spec("swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the page needs Swagger UI: pip install swagger-ui-py")
    return Path(spec.submodule_search_locations[0]) / "static"


async def _send(
    scope: Scope,
    send: Send,
    media_type: str,
    body: bytes,
    status: int = 200,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    pairs = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-cache"),
        *(headers or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


# All URLs are relative, so that the page works wherever a proxy puts it.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="favicon-32x32.png">
<link rel="stylesheet" href="swagger-ui.css">
</head>
<body>
<div id="api"></div>
<noscript>This page needs JavaScript; <a href="openapi.json">the document</a> does not.</noscript>
<script src="swagger-ui-bundle.js"></script>
<script src="page.js"></script>
</body>
</html>
"""

# A file of its own: a Content-Security-Policy with script-src 'self' forbids scripts in pages.
_SCRIPT = """SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
});
"""
