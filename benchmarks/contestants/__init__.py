"""The contestants: a module each, with a function for every app that a job asks for.

A module imports its framework when it is imported itself. All have the same functions, but for what
`CANNOT` names.
"""

from importlib import import_module
from typing import Any

BARE = "bare"
MICROPIE = "micropie"
OLD = "micropie_0_32"
SERVESTATIC = "servestatic"  # takes part where files are served, and nowhere else

CONDUIT = "conduit"  # the app of benchmarks/conduit

# By module: how reports call it.
TITLES = {
    BARE: "bare ASGI",
    MICROPIE: "MicroPie",
    OLD: "MicroPie 0.32",
    "blacksheep": "BlackSheep",
    "falcon": "Falcon",
    "fastapi": "FastAPI",
    "litestar": "Litestar",
    "muffin": "Muffin",
    "quart": "Quart",
    "sanic": "Sanic",
    "starlette": "Starlette",
    SERVESTATIC: "ServeStatic",
}
CONTESTANTS = tuple(name for name in TITLES if name != SERVESTATIC)
PEERS = tuple(name for name in CONTESTANTS if name not in (BARE, MICROPIE))

# By module: what its users import first, where that is not the module of the same name.
IMPORTS = {
    OLD: "micropie",
    "falcon": "falcon.asgi",
    "starlette": "starlette.applications",
}


# By module: the apps that it can't make, and why.
_NO_THREADS = "has no threads for handlers"
CANNOT = {
    BARE: dict.fromkeys(
        (
            *("middlewares", "session", "template", "upload", "files"),
            *("on_error", "set_cookie", "sync"),
        ),
        "a framework's work",
    ),
    OLD: {
        "files": "has an example for it",
        "sync": _NO_THREADS,
        **dict.fromkeys(("patterns", "on_error", "set_cookie", "model"), "has none"),
    },
    "blacksheep": {"sync": _NO_THREADS},
    "falcon": {"session": "has none", "template": "has none", "sync": _NO_THREADS},
    "muffin": {
        "session": "has a plugin for it",
        "template": "has a plugin for it",
        "sync": _NO_THREADS,
    },
    "sanic": {
        "session": "has none",
        "template": "has an extension for it",
        "upload": "holds the whole file in memory",
        "sync": _NO_THREADS,
    },
}


def title_of(name: str) -> str:
    """Return how reports call a contestant; what is none, such as a store, by its own name."""
    return TITLES.get(name, name)


def import_of(contestant: str) -> str:
    """Return the name of the module that a contestant's users import first."""
    return IMPORTS.get(contestant, contestant)


def able(contestants: list[str], app: str) -> tuple[list[str], dict[str, str]]:
    """Return those of *contestants* that can make an app, and why the others can't."""
    reasons = {name: CANNOT[name][app] for name in contestants if app in CANNOT.get(name, ())}
    return [name for name in contestants if name not in reasons], reasons


def make_app(contestant: str, app: str, *arguments: Any) -> Any:
    """Import a contestant, framework and all, and return a new app of it."""
    if app == CONDUIT:
        from benchmarks import conduit

        return conduit.make_app(contestant, *arguments)
    module = import_module(f"benchmarks.contestants.{contestant}")
    return getattr(module, app)(*arguments)
