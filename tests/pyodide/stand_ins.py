"""A pytest plugin with stand-ins for modules that tests import, and that Pyodide does not have.

A test that does more than import them is left out: see one_thread.py.
"""

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

from one_thread import Missing, needs, refusing


def pytest_configure() -> None:
    """Put in what is not there."""
    for name, make in STAND_INS.items():
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = module = ModuleType(name)
            module.__spec__ = ModuleSpec(name, None)  # which tracebacks of 3.15 look for
            vars(module).update(make())


def resource() -> dict[str, Any]:
    limit = refusing("limits of the process")
    names = ("RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIM_INFINITY")
    return {"getrlimit": limit, "setrlimit": limit, **dict.fromkeys(names, 0)}


def httpx2_jsfetch() -> dict[str, Any]:
    """Make what httpx2 imports here; the package of this name is still empty."""
    names = ("AsyncJavascriptFetchTransport", "JavascriptFetchTransport")
    return {name: type(name, (), {}) for name in names}


def without(library: str) -> Callable[..., NoReturn]:
    """Return a function that fails, and has the test left out: MicroPie calls it for the test."""

    def refused(*args: object, **kwargs: object) -> NoReturn:
        needs.now.append(library)
        raise Missing(library)

    return refused


def anything(*args: object, **kwargs: object) -> Any:
    return None


def msgspec() -> dict[str, Any]:
    class Struct:
        __struct_fields__ = ()
        __init__ = without("msgspec")

        def __init_subclass__(cls, **kwargs: object) -> None:
            pass

    def decoder(cls: Any) -> None:
        if "<locals>" in cls.__qualname__:
            without("msgspec")()

    return {
        "Struct": Struct,
        "Meta": anything,
        "ValidationError": ValueError,
        "convert": without("msgspec"),
        "json": SimpleNamespace(Decoder=decoder),
        "structs": SimpleNamespace(fields=lambda cls: []),
        "to_builtins": without("msgspec"),
    }


STAND_INS: dict[str, Callable[[], dict[str, Any]]] = {
    "httpx2_jsfetch": httpx2_jsfetch,
    "msgspec": msgspec,
    "resource": resource,
}
