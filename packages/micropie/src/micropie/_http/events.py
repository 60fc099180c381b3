"""Server-sent events: what a handler yields, as the lines that browsers read."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Mapping
from typing import Any

from micropie.codec import dumps
from micropie.parameters import check_seconds

_KEYS = {"data", "event", "id", "retry"}
# Events that are made while one is sent; together they are one chunk. To wait for each takes 8 µs.
_MOST_AHEAD = 16
_PING = ": ping\n\n"  # a comment, which clients skip


class EventStream:
    """Return one from a handler to send server-sent events (WHATWG HTML, 9.2).

    An event is a str, which is its data, or a dict of any of `data`, `event` (its type), `id` (that
    a browser gives back as Last-Event-ID when it reconnects) and `retry` (milliseconds until it
    does). Data that is not a str is sent as JSON. The head of the response goes out at once.

    Args:
        events: an async or sync iterable of events, such as a generator; a sync one is advanced in
            a thread. It is closed when the client has left.
        ping: seconds without an event after which a comment is sent, so that proxies see that the
            connection lives and the app hears that a client has gone; None: no comments.

    Raises:
        TypeError: *events* is not iterable, or *ping* not a number.
        ValueError: *ping* is not above 0 and finite.
    """

    __slots__ = ("events", "ping")

    def __init__(
        self, events: AsyncIterable[Any] | Iterable[Any], ping: float | None = 15.0
    ) -> None:
        if not isinstance(events, AsyncIterable | Iterable) or isinstance(events, str | bytes):
            raise TypeError(f"events must be an iterable of events, not {events!r}")
        check_seconds("ping", ping, optional=True)
        self.events = events
        self.ping = ping


# What proxies must know: neither keep the events, nor hold them back (nginx).
EVENT_HEADERS = ((b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"))


def event_chunks(
    stream: EventStream, in_thread: Callable[[Generator[Any, None, None]], AsyncIterable[Any]]
) -> AsyncGenerator[str, None]:
    """Return the text of *stream*; *in_thread* advances a synchronous generator."""
    events = stream.events
    if not isinstance(events, AsyncIterable):
        # Of iterables generators alone can be closed.
        events = in_thread(events if isinstance(events, Generator) else (one for one in events))
    elif not isinstance(events, AsyncGenerator):
        events = _iterated(events)
    return _chunks(events, stream.ping)


async def _iterated(events: AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    async for event in events:
        yield event


async def _chunks(source: Any, ping: float | None) -> AsyncGenerator[str, None]:
    """Yield the events of *source*, and comments while there are none."""
    texts: list[str] = []
    has_news, has_room = asyncio.Event(), asyncio.Event()
    # A task of its own: pings come while it waits, and what it waits with (a timeout, a task
    # group) needs one task from its first step to its last.
    pump = asyncio.create_task(_pump(source, texts, has_news, has_room))
    pump.add_done_callback(lambda _: has_news.set())
    try:
        yield ""  # the head does not wait for the first event
        while texts or not pump.done():
            try:
                async with asyncio.timeout(ping):
                    await has_news.wait()
            except TimeoutError:
                yield _PING
                continue
            if not pump.done():
                has_news.clear()
            text = "".join(texts)
            texts.clear()
            has_room.set()
            if text:
                yield text
        pump.result()
    finally:
        pump.cancel()
        await asyncio.wait({pump})
        if not pump.cancelled():
            pump.exception()  # or asyncio would log it: the client has left


async def _pump(
    source: Any, texts: list[str], has_news: asyncio.Event, has_room: asyncio.Event
) -> None:
    """Add the text of each event of *source* to *texts*, as long as there is room."""
    try:
        async for event in source:
            texts.append(event_text(event))
            if len(texts) == 1:
                has_news.set()
            elif len(texts) == _MOST_AHEAD:
                has_room.clear()
                await has_room.wait()
    finally:
        await source.aclose()


def event_text(event: Any) -> str:
    r"""Return *event* as lines: `id: 7\ndata: hello\n\n`.

    Raises:
        TypeError: it is neither a str nor a dict, or a value has the wrong type or no JSON form.
        ValueError: it has an unknown key, a line break in a field of one line, or a retry below 0.
    """
    if isinstance(event, str):
        return f"{_data_lines(event)}\n"
    if not isinstance(event, Mapping):
        raise TypeError(f"an event must be a str or a dict, not {type(event).__name__}")
    if unknown := event.keys() - _KEYS:
        raise ValueError(
            f"unknown keys in an event: {sorted(map(str, unknown))}; the keys are "
            "data, event, id and retry"
        )
    lines = [
        f"{name}: {_one_line(name, event[name])}\n" for name in ("id", "event") if name in event
    ]
    if "retry" in event:
        retry = event["retry"]
        if not isinstance(retry, int) or isinstance(retry, bool):
            raise TypeError(f"retry must be an integer (milliseconds), not {retry!r}")
        if retry < 0:
            raise ValueError(f"retry must be at least 0 milliseconds, not {retry!r}")
        lines.append(f"retry: {retry}\n")
    if "data" in event:
        data = event["data"]
        lines.append(_data_lines(data if isinstance(data, str) else dumps(data).decode()))
    return f"{''.join(lines)}\n"


def _data_lines(data: str) -> str:
    """Return *data* as a field for each of its lines, which clients join again."""
    if "\r" in data:
        data = data.replace("\r\n", "\n").replace("\r", "\n")
    return "data: " + data.replace("\n", "\ndata: ") + "\n"


def _one_line(name: str, value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise TypeError(f"{name} of an event must be a str, not {type(value).__name__}")
    if "\n" in text or "\r" in text or "\0" in text:
        raise ValueError(f"{name} of an event can't have a line break or NUL: {text!r}")
    return text
