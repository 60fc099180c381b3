"""send_file: a file as the answer of a handler."""

import os
import stat
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from servestatic.media_types import MediaTypes

from micropie import ASGIResponse, HTTPError
from micropie_static.files import (
    File,
    RawHeaders,
    Variant,
    check_headers,
    real_path_below,
)
from micropie_static.response import FileResponse, Receive, Scope, Send
from micropie_static.threads import in_thread

_MEDIA_TYPES = MediaTypes()


def send_file(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    filename: str | None = None,
    content_type: str | None = None,
    inline: bool = False,
    headers: Mapping[str, str] | None = None,
) -> ASGIResponse:
    """Answer with a file, when a handler returns what this returns.

    It is a download. Ranges, conditional requests and HEAD are answered as by `Static`; a file that
    is not there, or lies outside of *root*, is a 404.

    Args:
        path: below *root*, which nothing in it can leave: it may come from a user. Without *root*
            it must be absolute, and is trusted.
        root: the folder that the file must be in.
        filename: the name under which a browser saves the file; its own by default.
        content_type: by default what the file's name tells.
        inline: have a browser show the file if it can. Never do so with files of users: an HTML
            page among them would run its scripts as part of your site.
        headers: more headers by name, or others in place of the usual ones. Without a
            Cache-Control among them, only the browser keeps the file, and asks before it uses it.

    Raises:
        ValueError: *path* is relative, and there is no *root*; a header can't be sent, or is made
            from the file.
    """
    path = os.fspath(path)
    if root is None and not os.path.isabs(path):
        raise ValueError(f"send_file({path!r}): a relative path needs root=, the folder it is in")
    name = os.path.basename(path) if filename is None else filename
    disposition = "inline" if inline else "attachment"
    usual = {
        "Content-Type": _media_type(path) if content_type is None else content_type,
        "Content-Disposition": f"{disposition}; {_filename(name)}",
        "Cache-Control": "private, no-cache",
        # The type is what it says, whatever the content looks like.
        "X-Content-Type-Options": "nosniff",
    }
    check_headers(headers or {})
    raw = _raw_headers(usual, headers or {})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = FileResponse(scope)
        try:
            if not await in_thread(_open, response, path, root, raw):
                raise HTTPError(404)
            await response.send(receive, send)
        finally:
            response.close()

    return ASGIResponse(app)


def _open(
    response: FileResponse, path: str, root: str | os.PathLike[str] | None, headers: RawHeaders
) -> bool:
    """Open the file to send; False if there is none that may be. Blocks."""
    for _ in range(2):  # once more if it is replaced at this very moment
        try:
            located = path if root is None else _below(root, path)
            if located is None:
                return False
            # What was no link may be one by now.
            status = os.stat(located) if root is None else os.lstat(located)
            if not stat.S_ISREG(status.st_mode):
                return False
            file = File(Variant.of(located, status, headers))
        except (OSError, ValueError):  # ValueError: NUL, lone surrogates
            return False
        if response.open(file):
            return True
    return False


def _below(root: str | os.PathLike[str], path: str) -> str | None:
    """Return the real path of what lies at *path* below *root*; None if that is outside."""
    # realpath() takes a file with a slash behind its name for the file.
    if os.path.isabs(path) or path.endswith("/"):
        return None
    return real_path_below(root, path)


def _media_type(path: str) -> str:
    media_type: str = _MEDIA_TYPES.get_type(path)
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _filename(name: str) -> str:
    """Return *name* as a parameter of Content-Disposition (RFC 6266, 4.3; RFC 8187)."""
    # As servers and browsers do: what has a meaning inside quotes, or in a path, becomes "_".
    plain = "".join(c if " " <= c <= "~" and c not in '"\\/%' else "_" for c in name)
    if plain == name:
        return f'filename="{plain}"'
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    return f"filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def _raw_headers(usual: Mapping[str, str], given: Mapping[str, str]) -> RawHeaders:
    replaced = {name.lower() for name in given}
    pairs: list[tuple[str, Any]] = [
        *((name, value) for name, value in usual.items() if name.lower() not in replaced),
        *given.items(),
    ]
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
