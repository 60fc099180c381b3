"""Models of msgspec and pydantic as answers: JSON as those libraries write it."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from micropie import App, codec
from support.asgi import Client
from support.bodies import JSON
from support.responses import Returning, answer_to, is_clean_500

pytestmark = pytest.mark.anyio


class Shape(msgspec.Struct, rename="camel", omit_defaults=True, tag="shape"):
    side_length: int
    made_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    color: str = "red"
    raw: bytes = b""


class User(pydantic.BaseModel):
    name: str
    born: date
    height: Decimal = Decimal("1.80")
    password: str = pydantic.Field(default="hunter2", exclude=True)

    @pydantic.computed_field
    @property
    def initial(self) -> str:
        return self.name[:1]


class Names(pydantic.RootModel[list[str]]):
    pass


@pydantic.dataclasses.dataclass
class Account:
    owner: str
    secret: str = pydantic.Field(default="hunter2", exclude=True)


SHAPE = Shape(3, color="blue", raw=b"\xff")
USER = User(name="Zoë", born=date(2001, 2, 3))
MODELS = [
    (SHAPE, msgspec.json.encode(SHAPE)),
    (USER, USER.model_dump_json().encode()),
    (Names(["a", "é"]), '["a","é"]'.encode()),
    (Account("Ada"), b'{"owner":"Ada"}'),
]


@pytest.mark.parametrize(("model", "written"), MODELS, ids=lambda v: type(v).__name__)
async def test_a_model_is_answered_as_its_library_writes_it(model, written):
    answer = await answer_to(model)
    assert (answer.status, answer.body, answer.header("content-type")) == (200, written, JSON)
    assert answer.header("content-length") == str(len(written))
    answer = await answer_to((201, model, {"X-A": "1"}))
    assert (answer.status, answer.body, answer.header("content-type")) == (201, written, JSON)
    assert b"hunter2" not in answer.body


@pytest.mark.parametrize(("model", "written"), MODELS, ids=lambda v: type(v).__name__)
async def test_a_model_may_be_anywhere_in_an_answer(model, written):
    assert (await answer_to([model, model])).body == b"[" + written + b"," + written + b"]"
    assert (await answer_to({"a": {"b": (model,)}})).body == b'{"a":{"b":[' + written + b"]}}"
    # Beside what only the standard library can write.
    answer = await answer_to({"big": 10**30, "model": model})
    assert answer.json == {"big": 10**30, "model": json.loads(written)}
    answer = await answer_to([float("nan"), model])
    assert answer.json == [None, json.loads(written)]


async def test_a_method_that_writes_json_may_be_the_users_own():
    class Loud(pydantic.BaseModel):
        name: str

        def model_dump_json(self, **options: Any) -> str:
            return super().model_dump_json(**options).upper()

    assert (await answer_to([Loud(name="ada")])).json == [{"NAME": "ADA"}]


async def test_what_came_in_as_a_model_can_go_out_again():
    class Echo(App):
        async def user(self, user: User):
            return user

    body = json.dumps({"name": "Ada", "born": "1815-12-10"}).encode()
    headers = {"Content-Type": JSON, "Content-Length": str(len(body))}
    answer = await Client(Echo()).post("/user", headers=headers, body=body)
    assert answer.json == {
        "name": "Ada", "born": "1815-12-10", "height": "1.80", "initial": "A"
    }  # fmt: skip


async def test_a_model_that_its_library_can_not_write_is_a_logged_500(logged):
    class Opaque(msgspec.Struct):
        thing: Any

    class Loose(pydantic.BaseModel):
        thing: Any

    for value in (Opaque(object()), [Loose(thing=object())]):
        assert is_clean_500(await Client(Returning(value)).get("/with_argument/x"))
    assert len(logged) == 2


@pytest.mark.parametrize("kind", [Shape, User, Account])
async def test_the_class_of_a_model_is_no_answer(kind, logged):
    assert is_clean_500(await Client(Returning(kind)).get("/with_argument/x"))
    assert "which is not a response" in logged[0].getMessage()


def test_models_are_not_values_of_a_session():
    for model, _ in MODELS:
        with pytest.raises(TypeError, match=type(model).__name__):
            codec.dumps_strict({"model": model})


def test_without_orjson_models_are_the_same_json():
    program = (
        "import sys; sys.modules['orjson'] = None\n"
        "import msgspec, pydantic\nfrom micropie import codec\n"
        "class S(msgspec.Struct):\n    a: int\n"
        "class M(pydantic.BaseModel):\n    b: list[str]\n"
        "print(codec.dumps({'s': [S(1)], 'm': M(b=['x'])}).decode())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == '{"s":[{"a":1}],"m":{"b":["x"]}}\n'
