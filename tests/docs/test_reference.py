"""The reference has every public name, and their docstrings tell every parameter."""

import importlib
import inspect
import re

import pytest

from support.pages import ROOT

REFERENCE = "".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))
PACKAGES = (
    "micropie",
    "micropie.testing",
    "micropie_redis",
    "micropie_sql_sessions",
    "micropie_static",
    "micropie_socketio",
)
NAMES = [
    (package, name) for package in PACKAGES for name in importlib.import_module(package).__all__
]

# What python-socketio and pytest's users know from there.
ELSEWHERE = {"SocketIO", "SessionBackendContract"}


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_a_public_name_is_in_the_reference(package, name):
    blocks = re.findall(r"currentmodule:: (\S+)\n(.*?)```", REFERENCE, re.DOTALL)
    listed = "".join(text for module, text in blocks if module == package)
    assert re.search(rf"auto(class|function|exception):: {name}\b", listed)


def public_functions(owner):
    """Yield (name, function) of what users call on *owner*, a class or function itself."""
    if inspect.isfunction(owner):
        yield owner.__name__, owner
        return
    yield "", owner.__init__
    for name, member in vars(owner).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            yield name, member


@pytest.mark.parametrize(("package", "name"), [pair for pair in NAMES if pair[1] not in ELSEWHERE])
def test_a_docstring_tells_every_parameter(package, name):
    owner = getattr(importlib.import_module(package), name)
    missing = []
    for method, function in public_functions(owner):
        described = inspect.getdoc(getattr(owner, method, owner) if method else owner) or ""
        for base in inspect.getmro(owner) if inspect.isclass(owner) else ():
            if method in vars(base):  # what an override leaves to the class it overrides
                described += inspect.getdoc(vars(base)[method]) or ""
        parameters = list(inspect.signature(function).parameters.values())
        if inspect.isclass(owner):
            parameters = parameters[1:]
        missing += [
            f"{method}({parameter.name})"
            for parameter in parameters
            if not re.search(rf"\b{parameter.name}\b", described + (inspect.getdoc(owner) or ""))
        ]
    assert not missing
