"""Hooks that read the body before the handler or after it."""

import pytest

from micropie import HTTPError
from support.asgi import Client
from support.bodies import BINARY, JSON
from support.body_app import AN_OBJECT, PARSED, PARSED_IDS, Bodies, hooked, sending, trace

pytestmark = pytest.mark.anyio

NOT_READ = "the body was not read yet; await request.parse_body() first"


async def test_hooks_run_before_the_body_is_read():
    async def refuse(request):
        raise HTTPError(403)

    for content_type, body in PARSED:
        options = sending(body, content_type)
        async with hooked(refuse).open(url="/parsed", **options) as exchange:
            assert (await exchange.finish()).status == 403
            assert exchange.received == 0


@pytest.mark.parametrize("url", ["/nowhere", "/get_only"])
async def test_a_request_that_is_refused_has_its_body_never_received(url):
    from micropie import allow

    class Picky(Bodies):
        @allow("GET")
        async def get_only(self):
            return "got"

    async with Client(Picky()).open(url=url, **sending(AN_OBJECT, JSON)) as exchange:
        assert (await exchange.finish()).status in (404, 405)
        assert exchange.received == 0


@pytest.mark.parametrize("attribute", ["body_params", "files", "get_json", "form", "json"])
@pytest.mark.parametrize(("content_type", "body"), PARSED, ids=PARSED_IDS)
async def test_a_hook_that_looks_at_an_unread_body_is_told_so(
    attribute, content_type, body, logged
):
    async def before(request):
        found = getattr(request, attribute)
        return {"body": found("name") if callable(found) else found}

    class Debugging(Bodies):
        def __init__(self):
            super().__init__(debug=True)

    client = hooked(before, app=Debugging)
    answer = await client.request(url="/parsed", **sending(body, content_type))
    named = {"form": "body_params", "json": "get_json"}.get(attribute, attribute)
    assert trace(answer) == f"RuntimeError: request.{named}: {NOT_READ}"


async def test_a_hook_finds_a_body_that_will_not_be_parsed_empty():
    async def before(request):
        return {"body": [request.body_params, len(request.files), request.get_json]}

    for content_type in (None, "text/plain"):
        answer = await hooked(before).request(url="/parsed", **sending(b"abc", content_type))
        assert answer.json == [{}, 0, {}]


@pytest.mark.parametrize(("content_type", "body"), PARSED, ids=PARSED_IDS)
async def test_a_hook_can_parse_the_body_first(content_type, body):
    seen = []

    async def before(request):
        await request.parse_body()
        await request.parse_body()
        seen.append(request.form("name"))

    answer = await hooked(before).request(url="/parsed", **sending(body, content_type))
    assert seen == ["Ada"]
    assert answer.json["form"]["name"] == ["Ada"]


@pytest.mark.parametrize(("content_type", "body"), PARSED, ids=PARSED_IDS)
async def test_a_handler_gets_what_a_hook_has_put_in_the_place_of_a_value(content_type, body):
    async def before(request):
        await request.parse_body()
        request.body_params["name"] = ["Grace"]

    answer = await hooked(before).request(url="/named", **sending(body, content_type))
    assert answer.text == "Grace"


@pytest.mark.parametrize(("content_type", "body"), PARSED, ids=PARSED_IDS)
async def test_a_hook_can_read_the_raw_body_first(content_type, body):
    seen = []

    async def before(request):
        seen.append(await request.read())

    answer = await hooked(before).request(url="/parsed", **sending(body, content_type))
    assert seen == [body]
    assert answer.json["form"]["name"] == ["Ada"]


async def test_a_hook_that_streams_the_body_leaves_none_to_parse(logged):
    async def before(request):
        async for _ in request.stream():
            pass

    answer = await hooked(before).request(url="/parsed", **sending(AN_OBJECT, JSON))
    assert answer.status == 500
    (record,) = logged
    assert "was not kept" in str(record.exc_info[1])


async def test_a_broken_body_meets_the_hook_that_parses_it():
    async def before(request):
        try:
            await request.parse_body()
        except HTTPError as error:
            return {"status_code": 422, "body": str(error)}

    answer = await hooked(before).request(url="/parsed", **sending(b"{", JSON))
    assert (answer.status, answer.text) == (422, "400 Bad Request: the body is not valid JSON")


async def test_a_hook_after_the_handler_can_still_read_the_body():
    seen = []

    async def after(request):
        seen.append(await request.read())

    await hooked(after=after).request(url="/ignore", **sending(b"abc", BINARY))
    assert seen == [b"abc"]
