"""Values that are short and would grow: numbers with huge exponents, and digits without end."""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated

import pydantic
import pytest

from micropie import App
from support.asgi import Client
from support.binding import send_form, send_json

pytestmark = pytest.mark.anyio


@dataclass
class Order:
    price: Decimal
    prices: list[Decimal] | None = None
    by_name: dict[str, Decimal] | None = None


class Shop(App):
    async def price(self, price: Decimal):
        # Each of these writes out all digits.
        return [f"{price:.2f}", str(int(price * 100)), str(round(price)), f"{price:f}"]

    async def order(self, order: Order):
        return str(order.price)

    async def checked(self, price: Annotated[Decimal, pydantic.Field(gt=0)]):
        return f"{price:f}"

    async def whole(self, number: int):
        return str(number * number)

    async def real(self, number: float):
        return str(int(number))

    async def when(self, day: date, at: time, moment: datetime):
        return [day, at, moment]


HUGE = ["1e401", "1E+100000", "-1e999990", "1e-401", "1e-999990", "0e999999", "0e-999999"]
LONG = ["9" * 402, "0." + "0" * 400 + "1", "1" * 100_000, "1." + "1" * 100_000, "0" * 100_000]
FINE = ["19.99", "1e30", "6.02214076E23", "1e400", "1e-400", "5e-324", "1.7976931348623157e308"]


@pytest.mark.parametrize("text", [*HUGE, *LONG], ids=lambda text: text[:12] + str(len(text)))
async def test_a_decimal_that_would_grow_is_refused(text):
    client = Client(Shop())
    for answer in (
        await client.get(f"/price?price={text.replace('+', '%2B')}"),
        await client.get(f"/price/{text}"),
        await send_form(Shop(), "/price", f"price={text}"),
        await send_json(Shop(), "/price", {"price": text}),
    ):
        assert (answer.status, answer.text) == (
            400,
            "400 Bad Request: 'price' must be a decimal number",
        )
    for body in (
        {"price": text},
        {"price": 1, "prices": [text]},
        {"price": 1, "by_name": {"a": text}},
    ):
        assert (await send_json(Shop(), "/order", body)).status == 400
    assert (await Client(Shop()).get(f"/checked/{text}")).status == 400


@pytest.mark.parametrize("text", FINE)
async def test_a_decimal_of_an_ordinary_size_is_taken(text):
    assert len((await Client(Shop()).get(f"/price/{text}")).text) < 3000
    assert (await send_json(Shop(), "/order", {"price": text})).text == str(Decimal(text))


async def test_numbers_of_json_are_bounded_as_decimals_too():
    assert (await send_json(Shop(), "/price", b'{"price": 1e308}')).status == 200
    for number in (b"1" * 500, b"1e999990", b"9" * 5000):
        assert (await send_json(Shop(), "/price", b'{"price": %s}' % number)).status == 400


@pytest.mark.parametrize("text", ["9" * 4301, "9" * 100_000, "1e5"])
async def test_a_whole_number_has_as_many_digits_as_python_takes(text):
    assert (await Client(Shop()).get(f"/whole/{text}")).status == 400


@pytest.mark.parametrize("text", ["1e309", "1" * 400, "infinity"])
async def test_a_float_is_finite(text):
    assert (await Client(Shop()).get(f"/real/{text}")).status == 400


@pytest.mark.parametrize("text", ["10000-01-01", "+2026-01-01", "2026-1-1", "9" * 10_000, "-1"])
async def test_a_date_is_one_of_the_calendar(text):
    for query in (f"day={text}", f"at={text}", f"moment={text}"):
        fine = "day=2026-01-01&at=12:00&moment=2026-01-01T12:00"
        assert (await Client(Shop()).get(f"/when?{query}&{fine}")).status == 400
