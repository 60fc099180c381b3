"""What `debug=True` answers with: a page about an error and its request, for browsers, or text.

Imported for the first error only. Values of variables, cookies, forms and queries are not shown:
such pages end up in bug reports.
"""

import linecache
import traceback
from collections.abc import Iterable
from itertools import starmap
from types import FrameType
from urllib.parse import quote

from micropie._errors import ResponseError, status_line
from micropie._http.request import Request
from micropie._http.response import PLAIN_TEXT, Response
from micropie._http.route_info import RouteInfo
from micropie._http.urls import whole_path
from micropie.types import RawHeaders

# They carry no secrets. Referer may: the address of a page with a token in it.
_SHOWN_HEADERS = (
    *("host", "user-agent", "accept", "accept-language", "accept-encoding", "content-type"),
    *("content-length", "origin", "range", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"),
    *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
)
_LINES_AROUND = 4
# Recursion and groups of exceptions would make an endless page.
_MOST_ERRORS, _MOST_FRAMES, _MOST_TEXT = 10, 10, 100_000

# The colours are the system's, light or dark.
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
h1, h2 { font-size: 1.2rem; white-space: pre-wrap }
h1 { border-left: .4rem solid #e0592a; padding-left: .8rem }
pre { overflow-x: auto; overflow-wrap: normal; padding: .6rem; border: 1px solid #8886 }
td { padding: .1rem 1rem .1rem 0; vertical-align: top }
td:first-child { white-space: nowrap }
"""
_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class DebugResponse(Response):
    """A response whose security headers go when a hook puts another body in its place."""

    __slots__ = ()

    def _render_headers(self, *, is_head: bool) -> RawHeaders:
        raw = super()._render_headers(is_head=is_head)
        names = {name for name, _ in raw}
        return raw + [pair for pair in _HEADERS if pair[0] not in names]


def failure_response(error: Exception, request: Request) -> Response:
    """Return the 500 about *error*."""
    trace = "".join(traceback.format_exception(error))[-_MOST_TEXT:]
    status = status_line(500)
    if not wants_page(request):
        return DebugResponse(500, f"{status}\n\n{trace}", content_type=PLAIN_TEXT)
    parts = [f"<p>{status}</p>"]
    for number, each in enumerate(_related(error)):
        tag = "h2" if number else "h1"
        if isinstance(each, ResponseError):  # it says all: the frames are only ours
            parts += [f"<{tag}>{_escaped(f'{request._handler_name} {each}')}</{tag}>"]
            continue
        about = "".join(traceback.format_exception_only(each)).strip()[:_MOST_TEXT]
        parts += [f"<{tag}>{_escaped(about)}</{tag}>", *starmap(_frame, _own_frames(each))]
    trace = f"<details><summary>Traceback</summary><pre>{_escaped(trace)}</pre></details>"
    return DebugResponse(500, _page(status, [*parts, trace, _about(request)]))


def not_found_response(request: Request, root_path: str, routes: Iterable[RouteInfo]) -> Response:
    """Return the 404 with the *routes* that there are below *root_path*."""
    rows = [(_methods(route), root_path + route.path, route.name) for route in routes if route.path]
    parts = [f"<h1>{status_line(404)}</h1><h2>Routes</h2>", _table(rows), _about(request)]
    return DebugResponse(404, _page(status_line(404), parts))


def wants_page(request: Request) -> bool:
    """Tell whether the client is a browser that loads a page."""
    return "text/html" in request.headers.get("accept", "").lower()


def _related(error: BaseException) -> list[BaseException]:
    """Return *error*, then what caused it, or was being handled, and the errors of groups."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    for each in waiting:
        if each is None or any(each is other for other in found) or len(found) == _MOST_ERRORS:
            continue
        found.append(each)
        waiting += getattr(each, "exceptions", ())
        waiting.append(each.__cause__ or (None if each.__suppress_context__ else each.__context__))
    return found


def _own_frames(error: BaseException) -> list[tuple[FrameType, int]]:
    """Return frames and their lines, the last call first: the user's own, or all if none is."""
    import sysconfig  # here and below: the single file has all top imports at its top

    libraries = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "<frozen ")
    frames = [*traceback.walk_tb(error.__traceback__)][::-1]
    own = [pair for pair in frames if _is_own(pair[0], libraries)]
    return (own or frames)[:_MOST_FRAMES]


def _is_own(frame: FrameType, libraries: tuple[str, ...]) -> bool:
    path, module = frame.f_code.co_filename, str(frame.f_globals.get("__name__"))
    is_ours = module.partition(".")[0] == __name__.partition(".")[0]
    return not is_ours and not path.startswith(libraries) and "site-packages" not in path


def _frame(frame: FrameType, line: int) -> str:
    code = frame.f_code
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    first = max(line - _LINES_AROUND, 1)
    shown = [
        f"<{tag}>{number:4} {_escaped(text.rstrip()[:300])}</{tag}>\n"
        for number, text in enumerate(lines[first - 1 : line + _LINES_AROUND], first)
        for tag in ("mark" if number == line else "span",)
    ]
    where = f"{code.co_filename}, line {line}, in {code.co_qualname}"
    return f"<p>{_escaped(where)}</p><pre>{''.join(shown)}</pre>"


def _about(request: Request) -> str:
    """Return what is told of the request: of a query the names, of the headers some."""
    line = f"{request.method} {quote(whole_path(request.scope), errors='replace')}"
    if names := request.query_params:
        line += "?" + "&".join(f"{quote(name, errors='replace')}=…" for name in names)
    version, headers = request.scope.get("http_version", "1.1"), request.headers
    rows = [(name, headers[name]) for name in _SHOWN_HEADERS if name in headers]
    return f"<h2>Request</h2><p>{_escaped(f'{line} HTTP/{version}')}</p>{_table(rows)}"


def _methods(route: RouteInfo) -> str:
    if route.methods is not None:
        return " ".join(sorted(route.methods))
    return "any" if route.kind == "http" else route.kind


def _table(rows: Iterable[Iterable[str]]) -> str:
    lines = ("".join(f"<td>{_escaped(cell)}" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{line}' for line in lines)}</table>"


def _page(title: str, parts: list[str]) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<body>{''.join(parts)}</body></html>"
    )


def _escaped(text: str) -> str:
    import html

    return html.escape(text)
