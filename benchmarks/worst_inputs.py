"""Worst inputs: how long one request can hold the event loop, and what memory it takes, at most.

Each is what fits an App's default limits and takes the most work for its size. An interpreter of
its own serves it, and measures how long its event loop takes from the end of one step to that of
the next, with another task that always wants its turn: CPU time of all threads, which keep each
other from running Python, so that what else the machine does counts little. The garbage collector
is included. What the input is, and comes in, is the client's, and does not count. Run with a name,
it measures that one.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TypedDict, TypeVar
from urllib.parse import unquote

from benchmarks.options import Options
from benchmarks.table import ContestantError, Measurement, Table

T = TypeVar("T")

KIB, MIB = 1024, 1024**2
VALUES = MIB // 16  # that JSON may have
FIRST = 100_000  # of numbers that grow, of as many digits as the last
STALL_LIMIT, PEAK_LIMIT = 50.0, 64.0  # ms and MiB that none may take

# What uvicorn hands over at once, at most.
CHUNK = 256 * KIB

JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
MULTIPART = (b"content-type", b"multipart/form-data; boundary=b")

# Servers take so much as the first line of a request, or as all of its headers.
HEAD = 64 * KIB


@dataclass
class Item:
    """A model with nothing but defaults, of which the most fit into a body."""

    number: int = 0


@dataclass
class Items:
    """A model that has them as a field."""

    items: list[Item]


@dataclass(frozen=True)
class Input:
    """A request: *unit* is repeated between *start* and *end*, until it is of *size* bytes.

    Attributes:
        path: what to call, and with which query.
        headers: of the request.
        start: before the units.
        unit: what makes the work; with "%d" a number that grows is put into it.
        end: behind them.
        size: bytes of the body, or of the message of a WebSocket.
        status: of the answer; 1000 for a WebSocket.
    """

    path: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    start: bytes = b""
    unit: bytes = b""
    end: bytes = b""
    size: int = 0
    query: bytes = b""
    status: int = 200

    def pieces(self) -> Iterator[bytes]:
        """Yield the body in pieces of any size, so that it is nowhere as a whole."""
        yield self.start
        left = self.size - len(self.start) - len(self.end)
        if b"%d" in self.unit:
            number = FIRST
            while left >= len(piece := self.unit % number):
                yield piece
                number, left = number + 1, left - len(piece)
        else:
            yield from repeat(self.unit, left // max(len(self.unit), 1))
        yield self.end

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as a server hands it over."""
        chunk = bytearray()
        for piece in self.pieces():
            chunk += piece
            while len(chunk) >= CHUNK:
                yield bytes(chunk[:CHUNK])
                del chunk[:CHUNK]
        if chunk:
            yield bytes(chunk)


def _json(
    unit: bytes, start: bytes = b"[", end: bytes = b"0]", path: str = "/json", **others: Any
) -> Input:
    """Return JSON with as many *unit* as an App takes, and spaces up to its size."""
    return Input(path, (JSON,), start, unit, _filled(start, unit, end), MIB, **others)


def _filled(start: bytes, unit: bytes, end: bytes) -> bytes:
    counted = b",", b"[", b"{", b"e-"
    around, each = (sum(map(part.count, counted)) for part in (start + end, unit))
    size = (VALUES - around) // max(each, 1) * len(unit % FIRST if b"%d" in unit else unit)
    return b" " * (MIB - len(start) - len(end) - size) + end


def _models(path: str, unit: bytes = b"{},", status: int = 200, start: bytes = b"[") -> Input:
    end = unit[:-1] + (b"]" if start == b"[" else b"]}")
    return _json(unit, start, end, path, status=status)


def _form(unit: bytes, **others: Any) -> Input:
    return Input("/fields", (FORM,), b"a=", unit, **{"size": MIB, **others})


def _long_form(text: bytes, **others: Any) -> Input:
    # Fields that are just within their limit of 1 MiB, as many as fit into 16 MiB.
    return _form(text * (MIB // len(text) - 8) + b"&a=", size=16 * MIB, **others)


def _parts(part: bytes, size: int = 16 * MIB, **others: Any) -> Input:
    return Input("/fields", (MULTIPART,), b"", part, b"--b--\r\n", size, **others)


def _part(lines: bytes, content: bytes = b"") -> bytes:
    return b"--b\r\nContent-Disposition: form-data; " + lines + b"\r\n\r\n" + content + b"\r\n"


def _message(path: str, unit: bytes) -> Input:
    return Input(path, (), b"[", unit, _filled(b"[", unit, b"0]"), MIB, status=1000)


def _head(name: bytes, value: bytes) -> Input:
    return Input("/look", ((name, value),))


# What makes orjson step back: it has no integers of more than 64 bits.
LONG = b"18446744073709551616]"
# One character that makes Python take four bytes for each.
WIDE = "\N{SLIGHTLY SMILING FACE}".encode() + b"a" * 65_000
DEEP = b"[" * 499 + b"]" * 499 + b","

INPUTS = {
    "JSON, too many values": Input("/json", (JSON,), b"[", b"[[]],", b"0]", MIB, status=413),
    "JSON, arrays in arrays": _json(b"[[]],"),
    "JSON, 500 levels": _json(DEEP),
    "JSON, 500 levels of objects": _json(b'{"":' * 499 + b"0" + b"}" * 499 + b","),
    "JSON, just below 500 levels": _json(
        b"[" * 40 + b"]" * 40 + b",", b"[" * 450, b"0" + b"]" * 450
    ),
    "JSON, empty objects": _json(b"{},"),
    "JSON, objects": _json(b'{"%d":"ab0123456789"},'),
    "JSON, keys": _json(b'"0123%d":0,', b"{", b'"":0}'),
    "JSON, keys with escapes": _json(rb'"\u00e9\u00e9":0,', b"{", b'"":0}'),
    "JSON, keys that are bound": Input(
        "/fields", (JSON,), b"{", b'"%d":0,', b'"":0}', MIB, status=413
    ),
    "JSON, strings": _json(b'"ab0123456789c",'),
    "JSON, strings with escapes": _json(rb'"\u00e9\u00e9",'),
    "JSON, strings without commas": Input("/json", (JSON,), b"[", b'""', b"]", MIB, status=400),
    "JSON, escapes": _json(rb"\u00e9", b'"', b'"'),
    "JSON, surrogates": _json(
        rb"\ud83d\ude00", b'["', b'",' + b"{}," * 600 + b"18446744073709551616]"
    ),
    "JSON, long numbers": _json(b"9" * 4300 + b","),
    "JSON, numbers of 19 digits": _json(b"9" * 19 + b","),
    "JSON, numbers near zero": _json(b"1e-320,", end=LONG),
    "JSON, long numbers near zero": _json(b"1.2345678e-310,", end=LONG),
    "JSON, digits": _json(b"1" * KIB, b"[1.", b"]"),
    "JSON, broken at its end": _json(DEEP, end=b"]", status=400),
    "models, dataclasses": _models("/dataclasses"),
    "models, dataclasses with values": _models("/dataclasses", b'{"number":1},'),
    "models, a wrong one at the end": _json(b"{},", path="/dataclasses", status=400),
    "models, dataclasses in a field": _models("/within", start=b'{"items":['),
    "models, TypedDicts": _models("/typed_dicts"),
    "models, Structs": _models("/structs"),
    "models, Structs in a field": _models("/structs_within", start=b'{"items":['),
    "models, pydantic": _models("/pydantic"),
    "models, pydantic in a field": _models("/pydantic_within", start=b'{"items":['),
    "models, pydantic in a field, all wrong": _models(
        "/pydantic_within", status=400, start=b'{"points":['
    ),
    "values, of pydantic, all wrong": _models(
        "/pydantic_within", b"1,", status=400, start=b'{"points":['
    ),
    "models, 32 KiB of dataclasses": Input("/dataclasses", (JSON,), b"[", b"{},", b"{}]", 32 * KIB),
    "models, 32 KiB of pydantic": Input("/pydantic", (JSON,), b"[", b"{},", b"{}]", 32 * KIB),
    "values, integers": _models("/numbers", b"1,", start=b'{"values":['),
    "values, lists": _models("/lists", b"[],", start=b'{"values":['),
    "values, dates": _models("/dates", b'"2026-01-01",', start=b'{"values":['),
    "values, of a dict": _json(b'"%d":{},', b'{"values":{', b'"":{}}}', "/by_name"),
    "form, fields": _form(b"&%d=", size=8000),
    "form, too many fields": _form(b"&" * KIB, size=16 * MIB, status=413),
    "form, %": _long_form(b"%"),
    "form, %%4": _long_form(b"%%4"),
    "form, %41": Input("/fields", (FORM,), b"a=", b"%41" * (MIB - 8) + b"&a=", size=16 * MIB),
    "form, %FF": Input("/fields", (FORM,), b"a=", b"%FF" * (MIB - 8) + b"&a=", size=16 * MIB),
    "form, %, 64 KiB": _form(b"%" * KIB, size=64 * KIB),
    "form, +": _long_form(b"+"),
    "form, =": _long_form(b"="),
    "form, %3D=": _long_form(b"%3D="),
    "form, not UTF-8": _long_form(b"\xff"),
    "form, wide characters": _long_form(WIDE, status=413),
    "form, one field of 16 MiB": _form(b"%41" * KIB, size=16 * MIB, status=413),
    "form, JSON for pydantic": Input(
        "/json_field", (FORM,), b"items=[", b"{},", b"{}]", 3 * (VALUES // 8)
    ),
    "multipart, fields": _parts(_part(b'name="%d"'), 54 * KIB),
    "multipart, files": _parts(_part(b'name="%d"; filename=a', b"x"), 67 * KIB),
    "multipart, too many fields": _parts(_part(b"name=a"), status=413),
    "multipart, long names": _parts(_part(b'name="' + b"%" * 8000 + b'"'), 7 * MIB),
    "multipart, long file names": _parts(
        _part(b"name=a; filename*=utf-8''" + b"%" * 8000), 7 * MIB
    ),
    "multipart, quotes": _parts(_part(b'name="' + rb"\"" * 4000 + b'"'), 7 * MIB),
    "multipart, semicolons": _parts(_part(b"name=a" + b";a=b" * 2000), 7 * MIB),
    "multipart, headers": _parts(
        b"--b\r\n" + (b"a:" + b" " * 8100 + b"\r\n") * 7 + _part(b"name=a")[5:], 15 * MIB
    ),
    "multipart, near boundaries": _parts(b"\r\n--" * KIB, status=400),
    "multipart, nothing but line ends": _parts(b"\r\n" * KIB),
    "multipart, wide characters": _parts(
        _part(b"name=a", WIDE * ((MIB - 64) // len(WIDE))), status=413
    ),
    "multipart, fields of 1 MiB": _parts(_part(b"name=a", b"\r\n--" * (MIB // 4 - 10))),
    "multipart, a file of near boundaries": Input(
        "/fields",
        (MULTIPART,),
        _part(b"name=a; filename=a")[:-2],
        b"\r\n-",
        b"\r\n--b--\r\n",
        16 * MIB,
    ),
    "WebSocket text, too many values": Input("/ws", (), b"[", b"[[]],", b"0]", MIB, status=1009),
    "WebSocket text, arrays in arrays": _message("/ws", b"[[]],"),
    "WebSocket text, 500 levels": _message("/ws", DEEP),
    "WebSocket binary, arrays in arrays": _message("/ws?b", b"[[]],"),
    "WebSocket binary, 500 levels": _message("/ws?b", DEEP),
    "cookies, ;": _head(b"cookie", b";" * HEAD),
    "cookies, a=;": _head(b"cookie", b"".join(b"%x=;" % number for number in range(9000))),
    "cookies, 10 MiB": Input("/look", ((b"cookie", b"a;" * (5 * MIB)),), status=431),
    "headers, 1,000": Input("/look", tuple((b"x-%d" % number, b"") for number in range(1000))),
    "headers, 1,000 of a name": Input("/look", ((b"x", b"y" * 60),) * 1000),
    "headers, 200,000": Input("/look", ((b"x", b""),) * 200_000, status=431),
    "query, %": Input("/look", query=b"%" * HEAD),
    "query, &": Input("/look", query=b"&" * HEAD),
    "query, a&": Input("/look", query=b"a&" * (HEAD // 2)),
    "query, names that are bound": Input(
        "/fields", query=b"&".join(b"%x=" % n for n in range(11_000))
    ),
    "path, /": Input("/path/" + "/" * HEAD, status=0),
    "path, a/": Input("/path/" + "a/" * (HEAD // 2)),
    "path, %2F%": Input("/path/%2F" + "%" * HEAD),
}

WARMERS = [
    Input("/json", (JSON,), b"[1]", size=3),
    Input("/fields", (FORM,), b"a=%41", size=5),
    Input("/fields", (MULTIPART,), _part(b"name=a"), end=b"--b--", size=5),
    Input("/fields", (MULTIPART,), _part(b"name=a; filename=a"), end=b"--b--", size=5),
    Input("/look", ((b"cookie", b"a=b"),), query=b"a=%41"),
]


def tables(options: Options) -> Iterator[Table]:
    """Let a process of its own take each input."""
    if not options.chosen(["worst"]):
        return
    title = "worst inputs, at default limits"
    table = Table("worst", title, "ms of CPU in the longest step", reference="")
    entrants = [_Entrant(name) for name in INPUTS]
    table.fill(entrants, 1 if options.is_quick else 3, _measure)
    yield table


@dataclass
class _Entrant:
    contestant: str


def _measure(entrant: _Entrant) -> Measurement:
    command = [sys.executable, "-m", "benchmarks.worst_inputs", entrant.contestant]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ContestantError(done.stderr.strip().rpartition("\n")[2])
    found = json.loads(done.stdout)
    return found["stall"], {"peak MiB": found["peak"], "KiB in": found["size"] / KIB}


@dataclass
class Steps:
    """The steps of an event loop, timed, each with the wait for its turn.

    Attributes:
        longest: ms of CPU.
        excluded: ms of the present step that do not count.
    """

    longest: float = 0.0
    excluded: float = 0.0

    def time(self) -> None:
        """Time all steps of all event loops from now on."""
        run = asyncio.Handle._run  # type: ignore[attr-defined] # private, but there is no other

        last = time.process_time()

        def timed(handle: asyncio.Handle) -> None:
            nonlocal last
            self.excluded = 0.0
            run(handle)
            began, last = last, time.process_time()
            self.longest = max(self.longest, (last - began) * 1000 - self.excluded)

        asyncio.Handle._run = timed  # type: ignore[attr-defined]

    def free(self, call: Callable[[], T]) -> T:
        """Return what *call* does, whose time does not count."""
        began = time.process_time()
        try:
            return call()
        finally:
            self.excluded += (time.process_time() - began) * 1000


async def _want_turns() -> None:
    while True:  # noqa: ASYNC110 - there is nothing that it waits for
        await asyncio.sleep(0)


def main(name: str) -> None:
    """Serve the input *name*, and print what it took, as JSON."""
    given = INPUTS[name]
    app = _site()
    steps = Steps()
    for warmer in WARMERS:  # nothing is imported at the first request that counts
        asyncio.run(_serve(app, warmer, steps))
    size = sum(map(len, chain(given.pieces(), (given.query, given.path.encode()), *given.headers)))
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    steps.time()
    status = asyncio.run(_serve(app, given, steps))
    if given.status and status != given.status:
        raise SystemExit(f"answered with {status}")
    peak = (_memory("VmHWM") - before) / MIB
    print(json.dumps({"stall": steps.longest, "peak": peak, "size": size}))


def _memory(entry: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split(entry + ":")[1].split()[0]) * KIB


def _site() -> Any:
    import msgspec
    import pydantic

    from micropie import App

    class Named(TypedDict, total=False):
        number: int

    class Structure(msgspec.Struct):
        number: int = 0

    class Structures(msgspec.Struct):
        items: list[Structure]

    class Model(pydantic.BaseModel):
        number: int = 0

    class Point(pydantic.BaseModel):
        x: float
        y: float

    class Models(pydantic.BaseModel):
        items: list[Model] = []
        points: list[Point] = []

    Written = pydantic.Json[list[Model]]  # noqa: N806 - a type

    class Site(App):
        async def dataclasses(self, items: list[Item]) -> int:
            return len(items)

        async def within(self, body: Items) -> int:
            return len(body.items)

        async def typed_dicts(self, items: list[Named]) -> int:
            return len(items)

        async def structs(self, items: list[Structure]) -> int:
            return len(items)

        async def structs_within(self, body: Structures) -> int:
            return len(body.items)

        async def pydantic(self, items: list[Model]) -> int:
            return len(items)

        async def pydantic_within(self, body: Models) -> int:
            return len(body.items)

        async def json_field(self, items: Written) -> int:
            return len(items)

        async def numbers(self, values: list[int]) -> int:
            return len(values)

        async def lists(self, values: list[list[int]]) -> int:
            return len(values)

        async def dates(self, values: list[date]) -> int:
            return len(values)

        async def by_name(self, values: dict[str, Item]) -> int:
            return len(values)

        async def json(self) -> str:
            return type(self.request.get_json).__name__

        async def fields(self, **fields: Any) -> int:
            return len(fields)

        async def look(self) -> int:
            request = self.request
            return len(request.headers) + len(request.cookies) + len(request.query_params)

        async def path(self, *segments: str) -> int:
            return len(segments)

        async def ws_ws(self, ws: Any) -> None:
            await ws.accept()
            await ws.receive_json()

    return Site()


async def _serve(app: Any, given: Input, steps: Steps) -> int:
    """Let *app* answer *given*; return the status, or the close code."""
    other = asyncio.create_task(_want_turns())

    path, _, query = given.path.partition("?")
    kind = "websocket" if path == "/ws" else "http"
    headers = list(given.headers)
    if given.size:
        headers.append((b"transfer-encoding", b"chunked"))
    scope = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST" if given.size else "GET",
        "scheme": "http",
        "path": steps.free(lambda: unquote(path)),
        "raw_path": path.encode(),
        "query_string": given.query,
        "root_path": "",
        "headers": headers,
        "client": None,
        "server": None,
    }
    chunks = given.chunks()

    async def receive() -> dict[str, Any]:
        chunk = steps.free(lambda: next(chunks, None))
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def receive_message() -> dict[str, Any]:
        if scope.pop("is_new", True):
            scope["is_new"] = False
            return {"type": "websocket.connect"}
        message = steps.free(lambda: b"".join(given.chunks()))
        data = {"bytes": message} if query else {"text": steps.free(message.decode)}
        return {"type": "websocket.receive", **data}

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await asyncio.create_task(app(scope, receive_message if kind == "websocket" else receive, send))
    other.cancel()
    status: int = sent[0]["status"] if kind == "http" else sent[-1]["code"]
    return status


if __name__ == "__main__":
    main(*sys.argv[1:])
