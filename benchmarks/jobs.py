"""The jobs: what every contestant is asked, and what a right answer is."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BROWSER = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"connection", b"keep-alive"),
]

HELLO = "Hello, World!"
TEMPLATES = Path(__file__).with_name("templates")
FEW_CHUNKS, CHUNKS = 100, 10_000
EVENTS = 100
EVENT = "All work and no play makes Jack a dull boy."
CHUNK = b"All work and no play makes Jack a dull boy.\n"
ROWS = [{"name": f"Pie {number}", "price": number * 1.5} for number in range(20)]
# What a shop knows of a customer: 300 bytes as JSON.
CUSTOMER = {
    "user": {"id": 12345, "name": "Alice Example", "groups": ["customers", "testers"]},
    "token": "m0m9bqRzVtQ0cPZyWb3dLr0x1aJ5sT8u",
    "cart": [{"id": 100 + number, "count": 1, "price": "12.50"} for number in range(4)],
    "language": "en",
    "seen": 0,
}
SOLD_OUT = "plum pies are sold out"
DOCUMENT = {"name": "Apple pie", "price": 3.5, "tags": ["apple", "cinnamon", "crust"], "stock": 12}


@dataclass(frozen=True)
class Job:
    """One request that is repeated, and its right answer.

    Attributes:
        name: how the command line calls it.
        title: how the report does.
        app: the function of a contestant's module that makes the app.
        arguments: what that function takes.
        body: of the request; with it goes `content_type`.
        before: path of a request that comes first, whose cookies this one carries.
        status: of the answer.
        answer: its body: bytes or str as they are, what a pattern of bytes matches, anything else
            as JSON, None for any.
        media_type: how its content type begins; None for any.
        headers: names that it has.
    """

    name: str
    title: str
    app: str
    path: str = "/"
    query: bytes = b""
    arguments: tuple[Any, ...] = ()
    body: bytes = b""
    content_type: bytes = b""
    before: str | None = None
    status: int = 200
    answer: Any = None
    media_type: str | None = "text/"
    headers: frozenset[bytes] = frozenset()

    @property
    def method(self) -> str:
        return "POST" if self.body else "GET"

    def scope(self, cookie: bytes | None = None) -> dict[str, Any]:
        """Return a new ASGI scope such as uvicorn makes."""
        headers = list(BROWSER)
        if self.body:
            headers.append((b"content-type", self.content_type))
            headers.append((b"content-length", b"%d" % len(self.body)))
        if cookie is not None:
            headers.append((b"cookie", cookie))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "method": self.method,
            "root_path": "",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query,
            "headers": headers,
            "state": {},
        }

    def fault_in(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> str | None:
        """Return what is wrong with an answer, or None."""
        if status != self.status:
            return f"status {status} instead of {self.status}"
        found = {name.lower(): value for name, value in headers}
        media_type = found.get(b"content-type", b"").decode()
        if self.media_type is not None and not media_type.startswith(self.media_type):
            return f"content type {media_type!r} instead of {self.media_type!r}"
        if self.headers - found.keys():
            return f"no header {sorted(self.headers - found.keys())}"
        if self.answer is None:
            return None
        if isinstance(self.answer, re.Pattern):
            return None if self.answer.fullmatch(body) else f"answered {body[:200]!r}"
        if isinstance(self.answer, str):
            answer: Any = body.decode().strip()
        elif isinstance(self.answer, bytes):
            answer = body
        else:
            answer = json.loads(body)
        return None if answer == self.answer else f"answered {body[:200]!r}"


PATTERN = "/route_500/42/page"


def route_names(count: int) -> list[str]:
    """Return *count* names, with the one that is asked for, "route_500", in their middle."""
    return [f"route_{number}" for number in range(500 - count // 2, 500 + (count + 1) // 2)]


JOBS = {
    job.name: job
    for job in (
        Job("hello", "Hello, World!", "hello", answer=HELLO),
        Job(
            "item",
            "path + query parameter, JSON out",
            "item",
            "/item/42",
            b"q=pie",
            answer={"number": 42, "q": "pie"},
            media_type="application/json",
        ),
        Job(
            "json",
            "JSON in, JSON out",
            "echo",
            "/echo",
            body=json.dumps(DOCUMENT).encode(),
            content_type=b"application/json",
            answer={"received": DOCUMENT},
            media_type="application/json",
        ),
        Job(
            "form",
            "urlencoded form",
            "form",
            "/form",
            body=b"name=Ada+Lovelace&email=ada%40example.org&message=Hello%2C+pie%21&age=36",
            content_type=b"application/x-www-form-urlencoded",
            answer="Ada Lovelace <ada@example.org> is 36",
        ),
        Job("not_found", "404", "hello", "/nothing", status=404, media_type=None),
        Job(
            "middlewares",
            "three middlewares",
            "middlewares",
            answer=HELLO,
            headers=frozenset({b"x-first", b"x-second", b"x-third"}),
        ),
        Job("session_read", "session read", "session", "/read", before="/write", answer="1"),
        Job("session_write", "session write", "session", "/write", before="/write", answer="2"),
        Job("one_route", "1 route", "routes", "/route_500", arguments=(1,), answer=HELLO),
        Job("many_routes", "1,000 routes", "routes", "/route_500", arguments=(1000,), answer=HELLO),
        Job(
            "one_pattern", "1 explicit route", "patterns", PATTERN, arguments=(1,), answer="page 42"
        ),
        Job(
            "many_patterns",
            "1,000 explicit routes",
            "patterns",
            PATTERN,
            arguments=(1000,),
            answer="page 42",
        ),
        Job("template", "template of 20 rows", "template", media_type="text/html"),
        Job(
            "on_error",
            "exception answered by a handler for it",
            "on_error",
            status=409,
            answer={"error": SOLD_OUT},
            media_type="application/json",
        ),
        Job(
            "set_cookie",
            "cookie set",
            "set_cookie",
            answer=HELLO,
            headers=frozenset({b"set-cookie"}),
        ),
        Job(
            "model",
            "pydantic model out",
            "model",
            answer=DOCUMENT,
            media_type="application/json",
        ),
        Job(
            "events",
            "event stream of 100 events",
            "events",
            # Frameworks end lines with LF or CRLF, and may name the type that is the default.
            answer=re.compile(
                rb"(?:(?:event: message\r?\n)?data: %b\r?\n\r?\n){%d}" % (EVENT.encode(), EVENTS)
            ),
            media_type="text/event-stream",
        ),
        Job("sync", "handler without async", "sync", answer=HELLO),
        Job(
            "short_stream",
            "stream of 100 chunks",
            "stream",
            arguments=(FEW_CHUNKS,),
            answer=CHUNK * FEW_CHUNKS,
        ),
        Job(
            "stream",
            "stream of 10,000 chunks",
            "stream",
            arguments=(CHUNKS,),
            answer=CHUNK * CHUNKS,
        ),
    )
}
