"""The app that the tests of this folder attack, under real servers.

With MICROPIE_TEST_WITHOUT_ORJSON in the environment it does as if orjson were not installed.
"""

import asyncio
import hashlib
import os
import sys
import time
from typing import NotRequired, TypedDict

from micropie import App, HTTPError, HttpMiddleware, UploadFile

if "MICROPIE_TEST_WITHOUT_ORJSON" in os.environ:
    sys.modules["orjson"] = None


class Node(TypedDict):
    child: NotRequired["Node"]


class Witness(HttpMiddleware):
    """Remembers what became of the requests that carry an X-Key."""

    def __init__(self):
        self.begun = set()
        self.ran = set()
        self.ended = {}

    async def before_request(self, request):
        self.begun.add(request.headers.get("x-key"))
        if "x-refuse" in request.headers:
            raise HTTPError(403)

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.ended[request.headers.get("x-key")] = status_code


class Target(App):
    def __init__(self, witness, **limits):
        super().__init__(**limits)
        self._witness = witness

    def _note(self):
        self._witness.ran.add(self.request.headers.get("x-key"))

    async def _wait(self, key, where):
        deadline = time.monotonic() + 10
        while key not in where:
            if time.monotonic() > deadline:
                raise HTTPError(504)
            await asyncio.sleep(0.005)

    async def begun(self, key):
        """Wait until the head of the request of that X-Key has come."""
        await self._wait(key, self._witness.begun)

    async def seen(self, key):
        """Wait until the request of that X-Key has come to its end."""
        await self._wait(key, self._witness.ended)
        return {"status": self._witness.ended[key], "ran": key in self._witness.ran}

    async def pid(self):
        return os.getpid()

    async def greet(self, name="nobody"):
        return f"Hello, {name}!"

    async def number(self, number: int):
        return {"number": number}

    async def parsed(self):
        self._note()
        request = self.request
        return {
            "form": request.body_params,
            "json": request.get_json,
            "files": {name: file.filename for name, file in request.files.items()},
        }

    async def sizes(self):
        self._note()
        return [len(self.request.body_params), len(self.request.files)]

    async def raw(self):
        self._note()
        return await self.request.read()

    async def raw_size(self):
        self._note()
        return len(await self.request.read())

    async def drained(self):
        size = 0
        async for chunk in self.request.stream():
            size += len(chunk)
        return size

    async def tree(self, node: Node):
        return "a tree"

    async def cookies(self):
        return self.request.cookies

    async def visits(self):
        self.session["visits"] = self.session.get("visits", 0) + 1
        return self.session["visits"]

    async def upload(self, file: UploadFile):
        self._note()
        path = await file.save(os.environ["MICROPIE_TEST_UPLOADS"])
        return {"filename": file.filename, "size": file.size, "saved": str(path)}

    async def digest(self, file: UploadFile):
        digest = hashlib.sha256()
        async for chunk in file:
            digest.update(chunk)
        return digest.hexdigest()


witness = Witness()
app = Target(witness)
app.middlewares.append(witness)
app.mount("/small", Target(witness, max_body_size=1000))
app.mount("/hasty", Target(witness, body_timeout=0.2))
app.mount("/huge", Target(witness, max_body_size=None))
