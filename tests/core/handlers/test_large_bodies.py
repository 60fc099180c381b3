"""Large JSON bodies: models are made of them in a thread, so that others have their turns."""

import asyncio
import gc
import sys
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field, make_dataclass

import msgspec
import pydantic
import pytest

from micropie import App, HttpMiddleware
from support.asgi import Client
from support.binding import send_json

pytestmark = pytest.mark.anyio

# Items of 15 bytes; 32 KiB of JSON are bound in the step of the event loop that received them.
SMALL, LARGE = 2000, 3000

where = ContextVar("where", default="nowhere")
seen = []  # what the models saw: the thread, the context, and whether the collector was on


def look():
    seen.append((threading.get_ident(), where.get(), gc.isenabled()))
    where.set("a model")


@dataclass
class Item:
    number: int

    def __post_init__(self):
        look()


class Model(pydantic.BaseModel):
    number: int

    def model_post_init(self, context):
        look()


class Struct(msgspec.Struct):
    number: int

    def __post_init__(self):
        look()


@dataclass
class Order:
    items: list[Item]


class Shop(App):
    async def dataclasses(self, items: list[Item]):
        return [len(items), where.get()]

    async def models(self, items: list[Model]):
        return [len(items), where.get()]

    async def structs(self, items: list[Struct]):
        return [len(items), where.get()]

    async def keywords(self, *, items: list[Item]):
        return [len(items), where.get()]

    def threaded(self, items: list[Item]):
        return [len(items), where.get()]

    async def order(self, order: Order):
        return [len(order.items), where.get()]

    async def by_name(self, items: dict[str, Item]):
        return [len(items), where.get()]


class Hook(HttpMiddleware):
    def __init__(self, parses):
        self.parses = parses

    async def before_request(self, request):
        where.set("a hook")
        if self.parses:
            await request.parse_body()


def body_for(path, count):
    items = [{"number": 1}] * count
    if path == "by_name":
        return {"items": {f"{number:05}": item for number, item in enumerate(items)}}
    return {"items": items} if path == "order" else items


@pytest.fixture(autouse=True)
def _nothing_seen():
    seen.clear()


PATHS = ["dataclasses", "models", "structs", "keywords", "threaded", "order", "by_name"]


@pytest.mark.skipif(sys.platform == "emscripten", reason="needs another thread")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("parses", [False, True], ids=["", "parsed by a hook"])
async def test_a_large_body_is_bound_in_one_thread_and_in_the_context_of_its_request(path, parses):
    shop = Shop()
    shop.middlewares.append(Hook(parses))
    answer = await send_json(shop, f"/{path}", body_for(path, LARGE))
    assert answer.json == [LARGE, "a model"]
    threads, contexts, collects = zip(*seen, strict=True)
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()
    assert contexts[0] == "a hook"
    assert not any(collects)
    assert gc.isenabled()


@pytest.mark.parametrize("path", ["dataclasses", "models", "structs"])
async def test_a_small_body_is_bound_on_the_event_loop(path):
    answer = await send_json(Shop(), f"/{path}", body_for(path, SMALL))
    assert answer.json[0] == SMALL
    assert {thread for thread, _, _ in seen} == {threading.get_ident()}
    assert all(collects for _, _, collects in seen)


async def test_others_have_their_turns_while_a_large_body_is_bound():
    begun, ran = threading.Event(), threading.Event()

    @dataclass
    class Waits:
        number: int

        def __post_init__(self):
            begun.set()
            assert ran.wait(60), "nothing else ran meanwhile"

    class Site(App):
        async def index(self, items: list[Waits]):
            return len(items)

        async def other(self):
            return "other"

    site = Site()
    large = asyncio.create_task(send_json(site, "/", body_for("", LARGE)))
    assert await asyncio.to_thread(begun.wait, 60)
    assert (await Client(site).get("/other")).text == "other"
    ran.set()
    assert (await large).json == LARGE


@pytest.mark.parametrize("collects", [True, False])
async def test_the_collector_is_as_it_was_after_a_large_body_that_does_not_fit(collects):
    if not collects:
        gc.disable()
    try:
        body = [*body_for("", LARGE), {"number": "one"}]
        answer = await send_json(Shop(), "/dataclasses", body)
        assert answer.status == 400
        assert f"'items.{LARGE}.number' must be an integer" in answer.text
        assert gc.isenabled() is collects
    finally:
        gc.enable()


async def test_a_large_body_without_a_parameter_for_it_is_never_parsed():
    class Site(App):
        async def index(self, number: int = 0):
            return number

        async def nothing(self):
            return "nothing"

    broken = b"[" * 40_000
    assert (await send_json(Site(), "/nothing", broken)).text == "nothing"
    assert (await send_json(Site(), "/?number=1", broken)).json == 1
    assert (await send_json(Site(), "/", broken)).status == 400


Wide = make_dataclass("Wide", [(f"n{number}", int) for number in range(80)])


@dataclass
class Tree:
    wide: Wide
    left: "Tree | None" = None
    right: "Tree | None" = None
    others: list["Tree"] = field(default_factory=list)


def tree(levels):
    branch = tree(levels - 1) if levels else None
    return {"wide": {}, "left": branch, "right": branch}


@pytest.mark.parametrize(
    "body", [{"wide": {}}, {"wide": 0, "left": {"wide": {"n1": "x"}}}, tree(6)]
)
async def test_an_answer_names_so_many_problems_of_a_model_at_most(body):
    class Site(App):
        async def index(self, tree: Tree):
            return "fits"

    answer = await send_json(Site(), "/", body)
    assert answer.status == 400
    assert answer.text.count("; ") == 49
