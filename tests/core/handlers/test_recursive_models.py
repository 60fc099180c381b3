"""Models that contain themselves."""

from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

import msgspec
import pydantic
import pytest

from micropie import App
from support.binding import refused, send_json

pytestmark = pytest.mark.anyio


class Node(TypedDict):
    name: str
    child: NotRequired["Node"]
    children: NotRequired[list["Node"]]


@dataclass
class Tree:
    name: str
    branches: "list[Tree]" = field(default_factory=list)
    twin: "Tree | None" = None


class StructTree(msgspec.Struct):
    branches: "list[StructTree]" = []


class PydanticTree(pydantic.BaseModel):
    branches: "list[PydanticTree]" = []


class Trees(App):
    async def node(self, node: Node):
        return node

    async def tree(self, tree: Tree):
        return tree

    async def struct_tree(self, tree: StructTree):
        return "deep"

    async def pydantic_tree(self, tree: PydanticTree):
        return "deep"


async def test_a_model_may_contain_itself():
    node = {"name": "a", "child": {"name": "b"}, "children": [{"name": "c"}]}
    assert (await send_json(Trees(max_json_size=None), "/node", node)).json == node
    tree = {"name": "a", "branches": [{"name": "b"}], "twin": {"name": "c"}}
    answer = (await send_json(Trees(max_json_size=None), "/tree", tree)).json
    assert answer["branches"] == [{"name": "b", "branches": [], "twin": None}]
    assert answer["twin"] == {"name": "c", "branches": [], "twin": None}
    answer = await send_json(
        Trees(max_json_size=None), "/node", {"name": "a", "children": [{"name": 5}]}
    )
    assert (answer.status, answer.text) == refused("'children.0.name' must be a string")


@pytest.mark.parametrize("depth", [10, 200, 500, 1000, 100_000])
@pytest.mark.parametrize("url", ["/node", "/tree", "/struct_tree", "/pydantic_tree"])
async def test_a_deep_model_is_taken_or_a_400(url, depth):
    opening, key = (b'{"name":"a","child":', b"twin") if url == "/node" else (b"", b"branches")
    if url == "/node":
        body = opening * depth + b'{"name":"a"}' + b"}" * depth
    else:
        body = b'{"name":"a","%s":[' % key * depth + b"]}" * depth
    answer = await send_json(Trees(max_json_size=None), url, body)
    if depth <= 100:
        assert answer.status == 200
    assert answer.status in (200, 400)
