"""Forms that take long to parse: the same result, and others are served meanwhile."""

import asyncio
import random
from concurrent.futures import Executor
from typing import Any

import pytest

from micropie import App
from micropie._bodies.form_limits import FormLimits
from micropie._bodies.uploads import Files
from micropie._bodies.urlencoded import parse_form, parse_long_form
from micropie._errors import ContentTooLarge
from support import forms
from support.asgi import Client
from support.bodies import END, FORM, MIB, MULTIPART, text_part
from support.body_app import sending

pytestmark = pytest.mark.anyio

LIMITS = FormLimits(1000, MIB, 1000)

PIECES = [b"%", b"%4", b"%41", b"%E2%82%AC", b"%FF", b"%3D", b"=", b"&", b"a", b"+", b"\n", b"\r"]
PIECES += ["é€😀".encode(), b"\xff", b"\xe2\x82"]


class Sums(App):
    async def index(self, **fields: Any) -> dict[str, int]:
        return {name: len(value) for name, value in fields.items()}

    async def ignore(self) -> str:
        return "ignored"


@pytest.mark.parametrize("seed", range(5))
async def test_a_long_form_is_read_like_a_short_one(seed: int) -> None:
    chance = random.Random(seed)
    for size in (9, 90, 40_000):
        body = b"".join(chance.choices(PIECES, k=size))
        body = body.replace(b"&", b"", max(0, body.count(b"&") - 900))
        assert await parse_long_form(body, LIMITS) == parse_form(body, LIMITS)


@pytest.mark.parametrize("piece", PIECES)
async def test_an_escape_may_lie_at_any_place(piece: bytes) -> None:
    for padding in range(5):
        body = b"a=" + b"x" * padding + piece * 20_000
        if piece != b"&":
            assert await parse_long_form(body, LIMITS) == parse_form(body, LIMITS)


async def test_a_field_is_measured_once_it_is_decoded() -> None:
    client = Client(Sums())
    for text in (b"a", b"%41", b"%FF", "é".encode(), b"%C3%A9"):
        size = len(text) - 2 * text.count(b"%")
        fits = b"a=" + text * (MIB // size)
        assert (await client.request(url="/", **sending(fits, FORM))).status == 200
        answer = await client.request(url="/", **sending(fits + b"x", FORM))
        assert answer.text == "413 Content Too Large: a form field is too long"
    malformed = b"a=" + b"%4x" * (MIB // 3)
    assert (await client.request(url="/", **sending(malformed, FORM))).json == {"a": MIB - 1}


async def test_too_many_fields_of_a_long_form_are_refused() -> None:
    body = b"&".join([b"a=" + b"x" * 100] * 1001)
    with pytest.raises(ContentTooLarge, match="too many form fields"):
        await parse_long_form(body, LIMITS)


class Turns:
    """How often the event loop has come round, while something was awaited."""

    def __init__(self) -> None:
        self.count = 0

    async def during(self, awaited: Any) -> Any:
        counting = asyncio.create_task(self._count())
        try:
            return await awaited
        finally:
            counting.cancel()

    async def _count(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)


class NoThreads(Executor):
    """An executor that files would need, and parsing must leave alone."""

    def submit(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a thread was asked for")


@pytest.mark.parametrize("url", ["/", "/ignore"])
@pytest.mark.parametrize("unit", [b"%", b"%41", b"+", b"a"])
async def test_others_are_served_while_a_long_form_is_parsed(
    url: str, unit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "_default_executor", NoThreads())
    turns = Turns()
    body = b"&".join(b"%d=" % number + unit * (MIB // len(unit) // 4) for number in range(8))
    answer = await turns.during(Client(Sums()).request(url=url, **sending(body, FORM)))
    assert answer.status == 200
    # Once a field, and every 16 KiB where there is something to decode.
    steps = len(body) // (16 * 1024) if b"%" in unit else 8
    assert turns.count > steps


async def test_others_are_served_while_many_parts_are_parsed() -> None:
    turns = Turns()
    body = b"".join(text_part(f"name{number}", "x") for number in range(990)) + END
    request = Client(Sums()).request(url="/", **sending(body, MULTIPART))
    answer = await turns.during(request)
    assert len(answer.json) == 990
    quiet = Turns()
    await quiet.during(Client(Sums()).request(url="/", **sending(END, MULTIPART)))
    assert turns.count >= quiet.count + 5


async def test_others_are_served_while_a_large_part_comes_at_once(files: Files) -> None:
    turns = Turns()
    limits = FormLimits(10, 16 * MIB, 0)
    body = [
        forms.field(b"a", b"")[:-2],
        *[b"\r\n--" * 16 * 1024] * 64,
        b"\r\n" + forms.field(b"b", b"x") + forms.END,
    ]
    fields = await turns.during(forms.parse(body, files, limits))
    assert (len(fields["a"][0]), fields["b"]) == (4 * MIB, ["x"])
    assert turns.count >= 3


@pytest.mark.parametrize("content_type", [FORM, MULTIPART])
async def test_text_counts_as_the_memory_that_it_takes(content_type: str) -> None:
    # One wide character makes four bytes of each that is with it in a string.
    for wide, count, status in (("a", 15, 200), ("😀", 9, 200), ("😀", 11, 413)):
        value = wide + "a" * (MIB - 8)
        if content_type == FORM:
            body = "&".join([f"a={value}"] * count).encode()
        else:
            body = text_part("a", value) * count + END
        answer = await Client(Sums()).request(url="/", **sending(body, content_type))
        assert answer.status == status
    assert answer.text == "413 Content Too Large: the text of the form is too long"
    larger = Sums(max_form_field_size=2 * MIB)
    assert (await Client(larger).request(url="/", **sending(body, content_type))).status == 200
