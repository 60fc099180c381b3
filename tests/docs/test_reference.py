"""The reference has every public name, and their docstrings tell every parameter."""

import importlib
import inspect
import re

import pytest

from micropie import Member, Request, Session, UploadFile, WebSocket, WebSocketRequest
from micropie.testing import AsyncClientWebSocket, ClientWebSocket, WebSocketRefused
from support.pages import ROOT

REFERENCE = "".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))
PACKAGES = (
    "micropie",
    "micropie.testing",
    "micropie_redis",
    "micropie_sql_sessions",
    "micropie_static",
    "micropie_openapi",
    "micropie_socketio",
)
NAMES = [
    (package, name) for package in PACKAGES for name in importlib.import_module(package).__all__
]

# Handlers, and tests, get them; nobody makes one.
MADE_BY_US = {
    *(AsyncClientWebSocket, ClientWebSocket, WebSocketRefused),
    *(Member, Request, Session, UploadFile, WebSocket, WebSocketRequest),
}

# What python-socketio and pytest's users know from there.
ELSEWHERE = {"SocketIO", "SessionBackendContract"}
ALIASES = {"Headers", "Result"}
UNTOLD = ELSEWHERE | ALIASES


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_a_public_name_is_in_the_reference(package, name):
    blocks = re.findall(r"currentmodule:: (\S+)\n(.*?)```", REFERENCE, re.DOTALL)
    listed = "".join(text for module, text in blocks if module == package)
    assert re.search(rf"(auto|py:)(class|data|function|exception):: {name}\b", listed)


def documented(owner):
    """Yield (name, function, docstrings) of what users call on *owner*: a class, or a function."""
    if inspect.isfunction(owner):
        yield owner.__name__, owner, inspect.getdoc(owner)
        return
    if "__init__" in vars(owner) and owner not in MADE_BY_US:
        yield "__init__", owner.__init__, inspect.getdoc(owner)
    for name, member in vars(owner).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            # What an override does not repeat is told by the class whose method it overrides.
            found = [inspect.getdoc(vars(base).get(name)) for base in owner.__mro__]
            yield name, member, " ".join(filter(None, found))


@pytest.mark.parametrize(("package", "name"), [pair for pair in NAMES if pair[1] not in UNTOLD])
def test_docstrings_tell_every_parameter(package, name):
    owner = getattr(importlib.import_module(package), name)
    untold = [
        f"{function_name}({parameter})"
        for function_name, function, docstrings in documented(owner)
        for parameter in inspect.signature(function).parameters
        if parameter != "self" and not re.search(rf"\b{parameter}\b", docstrings)
    ]
    assert not untold
