"""Sessions as tests need them: a browser with cookies, and backends that tell, fail and wait."""

import asyncio
from collections import defaultdict
from typing import Any

from micropie import App, InMemorySessionBackend, SessionBackend
from support.asgi import Answer, Client

ID = "an id"
LONG = 60
PATIENT = 30  # seconds; the machine may be busy with other tests


class Browser:
    """A client that sends the cookies it was given.

    Args:
        app: the ASGI application.
        cookies: those it has from the start.
        scope: entries of every scope, as for Client.
    """

    def __init__(self, app: Any, cookies: dict[str, str] | None = None, **scope: Any) -> None:
        self.client = Client(app, **scope)
        self.cookies = dict(cookies or {})

    @property
    def session_id(self) -> str | None:
        return self.cookies.get("session_id")

    def clone(self) -> "Browser":
        """Return another browser that has the same cookies at this moment: a thief's, say."""
        twin = Browser(self.client.app, self.cookies)
        twin.client = self.client
        return twin

    async def request(self, method: str, url: str, **options: Any) -> Answer:
        headers = list(dict(options.pop("headers", {})).items())
        if self.cookies:
            headers.append(("Cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items())))
        answer = await self.client.request(method, url, headers=headers, **options)
        for cookie in set_cookies(answer):
            if cookie.get("Max-Age") == "0":
                self.cookies.pop(cookie["name"], None)
            else:
                self.cookies[cookie["name"]] = cookie["value"]
        return answer

    async def get(self, url: str, **options: Any) -> Answer:
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> Answer:
        return await self.request("POST", url, **options)


def set_cookies(answer: Answer) -> list[dict[str, str]]:
    """Return the cookies that *answer* sets: name, value, and the attributes as they are spelt."""
    cookies = []
    for name, header in answer.headers:
        if name == "set-cookie":
            pair, *attributes = header.split("; ")
            key, _, value = pair.partition("=")
            split = (attribute.partition("=") for attribute in attributes)
            cookies.append({"name": key, "value": value} | {k: v for k, _, v in split})
    return cookies


def varies_by_cookie(answer: Answer) -> bool:
    values = [value for name, value in answer.headers if name == "vary"]
    return "cookie" in [value.strip().lower() for value in ", ".join(values).split(",")]


class WatchedBackend(InMemorySessionBackend):
    """Keeps a list of its calls; those of some methods fail or wait on demand.

    Attributes:
        calls: the names of the methods called by the App, in order.
        failing: names of methods that raise ConnectionError instead of doing anything.
        gates: by method, an event that its calls wait for.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls: list[str] = []
        self.failing: set[str] = set()
        self.gates: dict[str, asyncio.Event] = {}
        self.arrived: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        self.arrived[name].set()
        if name in self.gates:
            await self.gates[name].wait()
        if name in self.failing:
            raise ConnectionError(f"no {name} today")

    async def load(self, session_id):
        await self._called("load")
        return await super().load(session_id)

    async def save(self, session_id, data, timeout):
        await self._called("save")
        await super().save(session_id, data, timeout)

    async def merge(self, session_id, changed, removed, timeout):
        await self._called("merge")
        return await super().merge(session_id, changed, removed, timeout)

    async def touch(self, session_id, data, timeout):
        await self._called("touch")
        await super().touch(session_id, data, timeout)

    async def take(self, session_id):
        await self._called("take")
        return await super().take(session_id)

    async def startup(self):
        self.calls.append("startup")
        if "startup" in self.failing:
            raise ConnectionError("no startup today")

    async def shutdown(self):
        self.calls.append("shutdown")

    async def stored(self, session_id: str | None) -> dict[str, Any]:
        """Return what is stored, without this being a call."""
        return dict(await InMemorySessionBackend.load(self, session_id or ""))


class ReadmeBackend(SessionBackend):
    """What the documentation asks of a backend: two methods that keep what they are given."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []

    async def load(self, session_id: str) -> dict[str, Any]:
        self.calls.append("load")
        return self.sessions.get(session_id, {})

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        self.calls.append("save")
        self.sessions[session_id] = data


class Shop(App):
    """Shows, stores and forgets how many pies a browser bought."""

    async def index(self):
        return str(self.session.get("pies"))

    async def buy(self):
        self.session["pies"] = self.session.get("pies", 0) + 1
        return str(self.session["pies"])

    async def login(self):
        self.request.regenerate_session()
        self.session["user"] = "alice"
        return "hello"

    async def logout(self):
        self.session.clear()
        return "bye"
