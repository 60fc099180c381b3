"""How large JSON may be, how many of its keys bind, and when it is parsed."""

import asyncio
import json
import weakref

import pytest

from micropie import App, limit
from support.asgi import Client
from support.bodies import BINARY, FORM, JSON, MIB
from support.body_app import CHUNKED, Bodies, head, hooked, sending

pytestmark = pytest.mark.anyio

TOO_LARGE = (413, "413 Content Too Large: the JSON is over 100 bytes")
STILL_COMING = (413, "413 Content Too Large: the body is over 100 bytes")
BROKEN = (400, "400 Bad Request: the body is not valid JSON")
LOOKS = ["/parsed", "/helpers", "/named"]


class Limited(Bodies):
    def __init__(self):
        super().__init__(max_json_size=100)

    async def blocking(self):
        return self.request.json("name")

    async def every_name(self, **fields):
        return len(fields)


def document(size):
    return b'{"name":"' + b"a" * (size - 11) + b'"}'


@pytest.mark.parametrize("content_type", [JSON, "application/geo+json"])
@pytest.mark.parametrize("url", LOOKS)
async def test_json_announced_over_its_limit_is_refused_before_it_is_received(url, content_type):
    options = {"headers": head(content_type, 101), "unfinished": True}
    async with Client(Limited()).open("POST", url, **options) as exchange:
        answer = await exchange.finish()
        assert (answer.status, answer.text) == TOO_LARGE
        assert exchange.received == 0


@pytest.mark.parametrize("url", [*LOOKS, "/ignore"])
async def test_json_without_length_is_refused_as_soon_as_it_is_over_its_limit(url):
    options = {"headers": {**head(JSON, None), **CHUNKED}, "unfinished": True}
    async with Client(Limited()).open("POST", url, body=[b"1" * 50] * 9, **options) as exchange:
        answer = await exchange.finish()
        assert (answer.status, answer.text) == STILL_COMING
        assert exchange.received == 3


@pytest.mark.parametrize("announced", [True, False])
async def test_json_of_just_its_limit_is_fine(announced):
    headers = head(JSON, 100) if announced else {**head(JSON, None), **CHUNKED}
    answer = await Client(Limited()).post("/named", headers=headers, body=document(100))
    assert (answer.status, answer.text) == (200, "a" * 89)


async def test_the_limit_of_json_is_no_limit_of_other_bodies():
    client = Client(Limited())
    assert (await client.request(url="/raw", **sending(b"x" * 500, BINARY))).status == 200
    assert (
        await client.request(url="/named", **sending(b"name=" + b"x" * 500, FORM))
    ).status == 200


async def test_json_over_its_limit_may_be_read_raw():
    client, body = Client(Limited()), document(500)
    assert (await client.request(url="/raw", **sending(body, JSON))).body == body
    assert (await client.request(url="/pieces", **sending(body, JSON))).json == [500]
    assert (await client.request(url="/ignore", **sending(body, JSON))).text == "ignored"


async def test_json_that_a_hook_has_read_is_held_to_its_limit():
    async def before(request):
        await request.read()

    client = hooked(before, app=Limited)
    for url in LOOKS:
        answer = await client.request(url=url, **sending(document(101), JSON))
        assert (answer.status, answer.text) == TOO_LARGE
    assert (await client.request(url="/named", **sending(document(100), JSON))).status == 200


async def test_a_hook_that_parses_json_over_its_limit_is_answered_413():
    client = hooked(lambda request: request.parse_body(), app=Limited)
    async with client.open(url="/ignore", **sending(document(101), JSON)) as exchange:
        answer = await exchange.finish()
        assert (answer.status, answer.text) == TOO_LARGE
        assert exchange.received == 0


async def test_json_has_a_limit_of_1_mib_unless_the_app_sets_another():
    body = document(MIB + 1)
    sent = sending(body, JSON)
    assert (await Client(Bodies()).request(url="/named", **sent)).status == 413
    for most in (MIB + 1, None):
        answer = await Client(Bodies(max_json_size=most)).request(url="/named", **sent)
        assert (answer.status, len(answer.text)) == (200, len(body) - 11)
    limited = Bodies(max_json_size=None, max_body_size=100)
    assert (await Client(limited).request(url="/named", **sent)).status == 413


@pytest.mark.parametrize(("value", "error"), [(-1, ValueError), ("1 MiB", TypeError)])
def test_a_wrong_limit_is_refused(value, error):
    with pytest.raises(error, match="max_json_size"):
        App(max_json_size=value)


# Values.


def dense(unit, count, start=b"[", end=b"0]"):
    """Return JSON with *count* units and spaces, so that it is over 128 KiB."""
    return start + unit * count + b" " * (200_000 - len(unit) * count) + end


MANY = [(b"1,", 65_534), (b"[[]],", 21_844), (b"{},", 32_767), (b"1e-9,", 32_766)]
MANY_IDS = ["numbers", "arrays", "objects", "negative exponents"]
TOO_MANY = (413, "413 Content Too Large: the JSON has more than 65536 values")


@pytest.mark.parametrize(("unit", "count"), MANY, ids=MANY_IDS)
async def test_json_has_one_value_for_each_16_bytes_of_its_limit_at_most(unit, count):
    client = Client(Bodies())
    assert (await client.request(url="/parsed", **sending(dense(unit, count), JSON))).status == 200
    for url in LOOKS:
        answer = await client.request(url=url, **sending(dense(unit, count + 2), JSON))
        assert (answer.status, answer.text) == TOO_MANY


async def test_json_with_too_many_values_may_be_read_raw():
    client, body = Client(Bodies()), dense(b"1,", 70_000)
    assert (await client.request(url="/raw", **sending(body, JSON))).body == body
    assert (await client.request(url="/ignore", **sending(body, JSON))).text == "ignored"


async def test_how_many_values_json_may_have_follows_its_limit():
    body = dense(b"1,", 70_000)
    for app_limit, status in ((MIB, 413), (70_000 * 16, 413), (70_010 * 16, 200), (None, 200)):
        client = Client(Bodies(max_json_size=app_limit))
        assert (await client.request(url="/parsed", **sending(body, JSON))).status == status

    class Own(App):
        @limit(json=2 * MIB)
        async def more(self):
            return len(self.request.get_json)

        @limit(json=None)
        async def any(self):
            return len(self.request.get_json)

        @limit(json=300_000)
        async def fewer(self):
            return len(self.request.get_json)

    client = Client(Own())
    for url, text in (
        ("/more", "70001"),
        ("/any", "70001"),
        ("/fewer", TOO_MANY[1].replace("65536", "18750")),
    ):
        assert (await client.request(url=url, **sending(body, JSON))).text == text


async def test_short_json_may_be_as_dense_as_it_likes():
    body = b"[" + b"1," * 8_190 + b"1]"
    client = Client(Bodies(max_json_size=len(body)))
    assert (await client.request(url="/parsed", **sending(body, JSON))).status == 200


# Keys that bind.


class Keys(App):
    def __init__(self):
        super().__init__(max_form_fields=10)

    async def every(self, **fields):
        return len(fields)

    async def one(self, name=None):
        return name

    async def params(self):
        return len(self.request.body_params)

    async def whole(self):
        return len(self.request.get_json)

    async def helper(self):
        return self.request.json("k3")


@pytest.mark.parametrize("url", ["/every", "/one", "/params"])
async def test_keys_that_bind_count_as_fields(url):
    client = Client(Keys())
    for count, status in ((10, 200), (11, 413)):
        body = json.dumps(dict.fromkeys(map("k{}".format, range(count)), 0)).encode()
        answer = await client.request(url=url, **sending(body, JSON))
        assert answer.status in (status, 204)
    assert answer.text == "413 Content Too Large: too many keys in the JSON object"


@pytest.mark.parametrize("url", ["/whole", "/helper", "/one/given"])
async def test_keys_that_do_not_bind_are_not_counted(url):
    body = json.dumps({f"k{number}": number for number in range(5000)}).encode()
    answer = await Client(Keys()).request(url=url, **sending(body, JSON))
    assert (answer.status, answer.text) == (
        200,
        {"/whole": "5000", "/helper": "3"}.get(url, "given"),
    )


# Parsed when first looked at.


@pytest.mark.parametrize("url", ["/ignore", "/raw"])
async def test_a_handler_that_does_not_look_never_pays_for_parsing(url, monkeypatch):
    def loads(*_):
        raise AssertionError("parsed")

    monkeypatch.setattr("micropie.codec.loads", loads)
    assert (await Client(Bodies()).request(url=url, **sending(b"{", JSON))).status == 200


@pytest.mark.parametrize("url", LOOKS)
async def test_broken_json_is_a_400_for_a_handler_that_looks(url):
    answer = await Client(Bodies()).request(url=url, **sending(b"{", JSON))
    assert (answer.status, answer.text) == BROKEN


async def test_broken_json_is_broken_at_every_look():
    seen = []

    class Looks(App):
        async def index(self):
            for look in ("get_json", "body_params", "get_json"):
                try:
                    getattr(self.request, look)
                except Exception as error:
                    seen.append(str(error))
            return await self.request.read()

    answer = await Client(Looks()).request(url="/", **sending(b"{", JSON))
    assert (answer.status, answer.body) == (200, b"{")
    assert seen == [BROKEN[1]] * 3


async def test_json_is_parsed_once():
    class Looks(App):
        async def index(self, name):
            request = self.request
            return [
                request.get_json is request.get_json,
                request.body_params is request.body_params,
            ]

    answer = await Client(Looks()).request(url="/", **sending(document(50), JSON))
    assert answer.json == [True, True]


async def test_a_large_value_is_released_in_a_step_of_its_own(monkeypatch):
    class Value(dict):
        """A dict that shows whether it is still there."""

    monkeypatch.setattr("micropie.codec.loads", lambda data, _: Value())
    released = []

    class Looks(App):
        async def index(self):
            weakref.finalize(self.request.get_json, released.append, True)
            return "looked"

    async def send(message):
        pass

    for size, is_later in ((32 * 1024, False), (32 * 1024 + 1, True)):
        messages = [{"type": "http.request", "body": document(size), "more_body": False}]

        async def receive(messages=messages):
            return messages.pop()

        scope = Client(None).scope("POST", "/", head(JSON, size))
        await Looks()(scope, receive, send)
        assert bool(released) is not is_later
        await asyncio.sleep(0)
        assert released == [True]
        released.clear()


async def test_a_hook_that_parses_broken_json_gets_the_400_itself():
    caught = []

    async def before(request):
        try:
            await request.parse_body()
        except Exception as error:
            caught.append(str(error))
            return {"status_code": 400, "body": "mine"}

    answer = await hooked(before).request(url="/ignore", **sending(b"{", JSON))
    assert (answer.text, caught) == ("mine", [BROKEN[1]])


async def test_a_hook_after_the_handler_that_looks_at_broken_json_is_answered_400():
    async def after(request):
        return request.get_json

    answer = await hooked(after=after).request(url="/ignore", **sending(b"{", JSON))
    assert (answer.status, answer.text) == BROKEN


@pytest.mark.parametrize("content_type", [JSON, FORM])
async def test_a_byte_order_mark_is_skipped(content_type):
    body = b'{"name": "Ada"}' if content_type == JSON else b"name=Ada"
    answer = await Client(Bodies()).request(
        url="/named", **sending(b"\xef\xbb\xbf" + body, content_type)
    )
    assert answer.text == "Ada"
