"""Synchronous generators: one thread each, from first step to close, and nobody in its way."""

import asyncio
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from micropie import App, HTTPError, HttpMiddleware
from support.asgi import PATIENCE, Client, settled
from support.streaming import served

pytestmark = pytest.mark.anyio


class Threads(App):
    """Streams the thread of each step, in each of the ways to come by a generator."""

    def __init__(self, **options):
        super().__init__(**options)
        self.closed_in = []
        self.meeting = threading.Barrier(4, timeout=PATIENCE)

    def generator(self):
        try:
            for _ in range(5):
                self.meeting.wait()  # so that no thread is idle between the steps of all
                yield f"{threading.get_ident()} "
        finally:
            self.closed_in.append(threading.get_ident())

    def returned(self):
        def chunks():
            yield f"{handler} "
            yield from self.generator()

        handler = threading.get_ident()
        return 200, chunks(), {"X-Kind": "returned"}

    async def asynchronous(self):
        return self.generator()


@pytest.mark.parametrize("path", ["/generator", "/returned", "/asynchronous", "/hook"])
async def test_every_step_is_in_one_thread(path):
    app = Threads()

    class Replacing(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            return {"body": app.generator()} if path == "/hook" else None

    async def hook():
        return "replaced"

    app.hook = hook
    app.middlewares.append(Replacing())
    client = Client(app)
    answers = await asyncio.gather(*(client.get(path) for _ in range(4)))
    used = [set(answer.text.split()) for answer in answers]
    assert [len(threads) for threads in used] == [1] * 4
    assert len(set.union(*used)) == 4
    assert sorted(map(str, app.closed_in)) == sorted(thread for (thread,) in used)


async def test_a_handler_and_the_generator_that_it_returns_share_what_belongs_to_a_thread(tmp_path):
    path = tmp_path / "rows.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE rows (n)")
        db.executemany("INSERT INTO rows VALUES (?)", [(n,) for n in range(20)])

    class Export(App):
        def index(self):
            db = sqlite3.connect(path)
            if not db.execute("SELECT count(*) FROM rows").fetchone()[0]:
                raise HTTPError(404)

            def chunks():
                with closing(db):
                    for (n,) in db.execute("SELECT n FROM rows ORDER BY n"):
                        yield f"{n} "

            return chunks()

    client = Client(Export())
    answers = await asyncio.gather(*(client.get("/") for _ in range(4)))
    assert [answer.text.split() for answer in answers] == [[str(n) for n in range(20)]] * 4


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_generator_goes_on_while_all_handlers_wait_for_it(leaves):
    class Pool(App):
        def __init__(self):
            super().__init__(sync_workers=2)
            self.connection = threading.Semaphore()  # a pool of one
            self.waiting = threading.Semaphore(0)

        def export(self):
            with self.connection:
                yield "a"
                yield "b"

        def page(self):
            self.waiting.release()
            with self.connection:
                return "page"

    app = Pool()
    client = Client(app)
    async with client.open("GET", "/export") as export:
        await export.chunk()
        export.pause()
        await export.stuck()
        pages = [asyncio.create_task(client.get("/page")) for _ in range(4)]
        for _ in range(2):
            assert await asyncio.to_thread(app.waiting.acquire, timeout=PATIENCE)
        if leaves:
            export.disconnect()
        export.resume()
        assert [(await page).text for page in pages] == ["page"] * 4
        await export.ended()


async def test_a_generator_that_waits_for_a_thread_and_one_that_runs_end_with_their_clients():
    class Endless(App):
        def __init__(self):
            super().__init__(sync_workers=1)
            self.log = []

        def index(self, name):
            assert threading.current_thread() is not threading.main_thread()
            self.log.append(name)
            try:
                while True:
                    yield name
            finally:
                self.log.append("end of " + name)

    app = Endless()
    client = Client(app)
    async with client.open("GET", "/a") as first, client.open("GET", "/b") as second:
        await first.chunk()
        await settled()
        second.disconnect()
        await second.ended()
        first.disconnect()
        await first.ended()
    async with client.open("GET", "/c") as third:
        assert await third.chunk() == b"c"
    assert app.log[:3] == ["a", "end of a", "c"]


@pytest.mark.parametrize("answer", [(999, ...), (200, ..., {"X": "a\nb"}), (200, ..., {}, 1)])
async def test_a_returned_generator_that_can_not_be_sent_keeps_no_thread(answer, logged):
    class Wrong(App):
        def index(self):
            return tuple(self._chunks() if part is ... else part for part in answer)

        def right(self):
            return self._chunks()

        def _chunks(self):
            yield "a"

    client = Client(Wrong(sync_workers=1, sync_queue=0))
    assert (await client.get("/")).status == 500
    assert await served(client, "/right") == "a"


@pytest.mark.parametrize("path", ["/generator", "/returned"])
async def test_who_has_seen_the_end_of_a_stream_finds_its_thread_free(path):
    class One(App):
        def generator(self):
            yield "a"

        def returned(self):
            return self.generator()

    client = Client(One(sync_workers=1, sync_queue=0))
    assert [(await client.get(path)).status for _ in range(50)] == [200] * 50


async def test_a_generator_may_be_of_a_class(logged):
    class Two(Generator):
        def __init__(self):
            self.left = ["a", "b"]

        def send(self, value):
            if not self.left:
                raise StopIteration
            return self.left.pop(0)

        def throw(self, *error):
            raise StopIteration

    class Page(App):
        def index(self):
            return Two()

    assert (await Client(Page()).get("/")).text == "ab"
