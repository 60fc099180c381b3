"""The app that the tests of micropie-socketio run under real servers."""

import asyncio
import gc
import os
import time
from collections import Counter

import socketio
from micropie import App, HTTPError, HttpMiddleware, WebSocketMiddleware
from micropie_socketio import SocketIO

PATIENCE = 45.0  # seconds to wait for an event; the client waits for longer


class HttpDoor(HttpMiddleware):
    async def before_request(self, request):
        app._arrived[request.query("sid")] += 1
        if request.query("banned"):
            return {"status_code": 403, "body": "banned"}
        return None


class WebSocketDoor(WebSocketMiddleware):
    async def before_websocket(self, request):
        return {"code": 4403, "reason": "banned"} if request.query("banned") else None


class Chat(App):
    def __init__(self, **options):
        super().__init__(**options)
        self._events: list[str] = []
        self._arrived: Counter[str | None] = Counter()
        self._released = asyncio.Event()
        self._is_slow = False
        self.middlewares.append(HttpDoor())
        self.ws_middlewares.append(WebSocketDoor())

    async def login(self, name):
        self.request.regenerate_session()
        self.session["name"] = name
        return name

    async def rename(self, name):
        self.session["name"] = name

    async def session_of(self, sid):
        try:
            async with sio.http_session(sid):
                return "a session"
        except KeyError as error:
            return error.args[0]

    async def release(self):
        self._released.set()

    async def logout(self):
        self.session.clear()

    async def whoami(self):
        return dict(self.session)

    async def announce(self, text, room=None):
        await sio.emit("announcement", text, room=room)
        return "said"

    async def blob(self, size: int):
        await sio.emit("blob", b"\0" * size)

    async def flood(self, count: int):
        for number in range(count):
            await sio.emit("number", number)

    async def log(self, line):
        """Wait until *line* is in the log of events, and return all of it."""
        deadline = time.monotonic() + PATIENCE
        while line not in self._events:
            if time.monotonic() > deadline:
                raise HTTPError(504, repr(self._events))
            await asyncio.sleep(0.005)
        return list(self._events)

    async def arrived(self, sid, number: int):
        """Wait until *number* requests of a client have come, and are being served."""
        deadline = time.monotonic() + PATIENCE
        while self._arrived[sid] < number:
            if time.monotonic() > deadline:
                raise HTTPError(504)
            await asyncio.sleep(0.005)

    async def gone(self, sid):
        """Wait until client *sid* has left."""
        await self.log(f"disconnect {sid}")

    async def collect(self):
        """Free what only the garbage collector can."""
        gc.collect()

    async def state(self):
        return {
            "sessions": sum(not one.closed for one in sio.eio.sockets.values()),
            "environs": len(sio.environ),
            "rooms": {name: len(rooms) for name, rooms in sio.manager.rooms.items()},
        }

    async def kick(self, sid):
        await sio.disconnect(sid)

    async def slow_down(self):
        """Let disconnect handlers wait for `release`."""
        self._is_slow = True

    async def question(self, sid, timeout: float = PATIENCE):
        """Return what a client of whichever worker answers, as Python shows it."""
        try:
            return repr(await sio.call("question", "Pie?", to=sid, timeout=timeout))
        except socketio.exceptions.TimeoutError:
            return "no answer"

    async def question_later(self, sid):
        """Ask, and let a callback that never ends take the answer."""

        async def callback(*answer):
            self._events.append(f"answer {answer}")
            await asyncio.Event().wait()

        await sio.emit("question", "Pie?", to=sid, callback=callback)

    async def pending(self, number: int):
        """Wait until so many callbacks are kept."""
        deadline = time.monotonic() + PATIENCE
        # The library keeps under 0 what it takes the ids from.
        while sum(len(ids.keys() - {0}) for ids in sio.manager.callbacks.values()) != number:
            if time.monotonic() > deadline:
                raise HTTPError(504, repr(sio.manager.callbacks))
            await asyncio.sleep(0.005)


options = {}
if os.environ.get("CHAT_REDIS"):
    options["redis_url"] = os.environ["CHAT_REDIS"]
if os.environ.get("CHAT_SENTINEL"):
    from redis.asyncio.sentinel import Sentinel

    sentinel = Sentinel([("127.0.0.1", int(os.environ["CHAT_SENTINEL"]))], protocol=2)
    options["redis_url"] = sentinel.master_for("mymaster")
if os.environ.get("CHAT_PING"):
    options["ping_interval"] = options["ping_timeout"] = float(os.environ["CHAT_PING"])

if os.environ.get("CHAT_LOGOUT"):
    options["disconnect_on_logout"] = True
if os.environ.get("CHAT_SERIALIZER"):
    options["serializer"] = os.environ["CHAT_SERIALIZER"]
session_options = {}
if os.environ.get("CHAT_SESSIONS"):
    from micropie_redis import RedisSessionBackend

    session_options["session_backend"] = RedisSessionBackend(os.environ["CHAT_SESSIONS"])
if os.environ.get("CHAT_SESSION_TIMEOUT"):
    session_options["session_timeout"] = float(os.environ["CHAT_SESSION_TIMEOUT"])

app = Chat(**session_options)
sio = SocketIO(app, max_http_buffer_size=100_000, **options)


@sio.event
async def connect(sid, environ, auth):
    if auth and auth.get("token") == "wrong":
        raise socketio.exceptions.ConnectionRefusedError("wrong token")
    if auth and auth.get("token") == "broken":
        raise RuntimeError("the connect handler is broken")
    app._events.append(f"connect {environ['REMOTE_ADDR']}")


@sio.event
async def disconnect(sid, reason):
    app._events += [f"disconnect {reason}", f"disconnect {sid}"]
    if app._is_slow:
        await app._released.wait()


@sio.event
async def echo(sid, *values):
    await sio.emit("echo", values, to=sid)


@sio.event
async def add(sid, a, b):
    return a + b


@sio.event
async def join(sid, room):
    await sio.enter_room(sid, room)


@sio.event
async def name(sid):
    async with sio.http_session(sid) as session:
        return session.get("name")


@sio.event
async def remember(sid, key, value):
    async with sio.http_session(sid) as session:
        session[key] = value


@sio.event
async def remember_slowly(sid, key, value):
    async with sio.http_session(sid) as session:
        session[key] = value
        app._events.append("remembering")
        await app._released.wait()
    app._events.append("remembered")


@sio.event
async def try_to_remember(sid):
    try:
        async with sio.http_session(sid) as session:
            session["pie"] = "apple"
    except RuntimeError as error:
        return str(error).rpartition(": ")[2]


@sio.event
async def ask(sid, question):
    return await sio.call("question", question, to=sid, timeout=PATIENCE)


@sio.event
async def transport(sid):
    return sio.transport(sid)


@sio.event
async def leave(sid):
    await sio.disconnect(sid)


@sio.event
async def unsendable(sid):
    return object()


@sio.event
async def fail(sid):
    raise RuntimeError("the handler is broken")


@sio.event
async def sleep(sid, seconds):
    await asyncio.sleep(seconds)


@sio.event
async def cling(sid):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(3600)


class Room(socketio.AsyncNamespace):
    async def on_connect(self, sid, environ):
        async with self.server.http_session(sid, self.namespace) as session:
            if "name" not in session:
                raise socketio.exceptions.ConnectionRefusedError("please log in")

    async def on_name(self, sid):
        async with self.server.http_session(sid, self.namespace) as session:
            return session["name"]


sio.register_namespace(Room("/room"))
