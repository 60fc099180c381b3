"""send_file: a file as the response of a handler."""

import os
from collections.abc import Mapping
from urllib.parse import quote

from micropie import ASGIResponse, HTTPError
from micropie.types import Receive, Scope, Send
from micropie_static.files import File
from micropie_static.headers import check_headers, raw_headers
from micropie_static.media_types import content_type as type_of
from micropie_static.response import has_large_headers, serve_file


def send_file(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    filename: str | None = None,
    content_type: str | None = None,
    inline: bool = False,
    headers: Mapping[str, str] | None = None,
) -> ASGIResponse:
    """Respond with a file, when a handler returns what this returns.

    It is a download. Ranges, conditional requests and HEAD are answered as by `Static`; a file that
    does not exist, or is outside of *root*, is a 404.

    Args:
        path: below *root*, which it can't leave: it may come from a user. Without *root* it must
            be absolute, and is trusted.
        root: the folder that the file must be in.
        filename: the name under which a browser saves the file; its own by default.
        content_type: by default what the file's name tells. For files of users choose
            "application/octet-stream": by its type a script may run in your site, downloads too.
        inline: have a browser show the file if it can. Never do so with files of users: an HTML
            page among them would run its scripts as part of your site.
        headers: more headers by name, or replacements for the usual ones. Without a Cache-Control
            among them, only the browser keeps the file, and asks before it uses it.

    Raises:
        ValueError: *path* is relative without a *root*; a header is malformed, or made from the
            file.
    """
    path = os.fspath(path)
    folder = None if root is None else os.path.abspath(root)
    if folder is None and not os.path.isabs(path):
        raise ValueError(f"send_file({path!r}): a relative path needs root=, the folder it is in")
    name = os.path.basename(path) if filename is None else filename
    disposition = "inline" if inline else "attachment"
    usual = {
        "Content-Type": type_of(path, "utf-8", {}) if content_type is None else content_type,
        "Content-Disposition": f"{disposition}; {_filename(name)}",
        "Cache-Control": "private, no-cache",
        # Browsers must not guess a type from the content.
        "X-Content-Type-Options": "nosniff",
    }
    check_headers(headers or {})
    raw = raw_headers(usual, headers or {})
    # Joining an absolute path would replace the root; a slash at the end would be ignored.
    is_name = not path.endswith("/") and (folder is None or not os.path.isabs(path))
    file = File(os.path.join(folder or "", path), folder, raw)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if has_large_headers(scope):
            raise HTTPError(431)
        if not is_name or not await serve_file(file, scope, receive, send):
            raise HTTPError(404)

    return ASGIResponse(app)


def _filename(name: str) -> str:
    """Return *name* as a parameter of Content-Disposition (RFC 6266, 4.3; RFC 8187)."""
    # As servers and browsers do: what has a meaning inside quotes, or in a path, becomes "_".
    plain = "".join(c if " " <= c <= "~" and c not in '"\\/%' else "_" for c in name)
    if plain == name:
        return f'filename="{plain}"'
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    return f"filename=\"{plain}\"; filename*=UTF-8''{encoded}"
