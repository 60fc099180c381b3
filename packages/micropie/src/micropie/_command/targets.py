"""The app that `module:name` means, or what is wrong with that."""

import importlib
import inspect
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from micropie.app import App

_TARGET = re.compile(r"(?!\d)\w+(\.(?!\d)\w+)*:(?!\d)\w+(\.(?!\d)\w+)*")


class TargetError(Exception):
    """The command can't do what it was asked; the message is for who typed it."""


def load(target: str) -> Any:
    """Return the ASGI app that *target* means, of the current folder or installed.

    Raises:
        TargetError: there is none; says what to write instead where that can be told.
    """
    _check_spelling(target)
    module_name, _, name = target.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    module = _import(module_name)
    app: Any = module
    for part in name.split("."):
        try:
            app = getattr(app, part)
        except AttributeError:
            raise TargetError(_missing(module, name)) from None
    _check_kind(app, target)
    return app


def _check_spelling(target: str) -> None:
    module, colon, name = target.partition(":")
    if _TARGET.fullmatch(target) and not module.endswith(".py"):
        return
    if "/" in module or "\\" in module:
        path = Path(module)
        raise TargetError(
            f"{target!r} is a path, and what is needed is module:name; go to the folder "
            f"{str(path.parent)!r}, and write {path.stem}:{name or 'app'}"
        )
    if module.endswith(".py"):
        advice = f"{module.removesuffix('.py')}:{name or 'app'}"
    elif not colon:
        advice = f"{target}:app"
    elif not name:
        advice = f"{module}:app"
    else:
        advice = "app:app"
    raise TargetError(f"{target!r} is not module:name; write it like {advice}")


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (error.name == name or name.startswith(f"{error.name}.")):
            found = sorted(path.stem for path in Path.cwd().glob("*.py"))
            beside = f"; here are {', '.join(found[:10])}" if found else ""
            raise TargetError(
                f"there is no module {error.name!r} in {Path.cwd()}, and none is installed{beside}"
            ) from None
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> TargetError:
    """Return the error for a module that raised *error*, with the lines that led there."""
    if isinstance(error, SystemExit):
        return TargetError(
            f"the module {name!r} ends the process when it is imported ({error!r}): put what is "
            "for the command line below `if __name__ == '__main__':`"
        )
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and not frame.filename.startswith("<frozen ")
        if Path(frame.filename) != Path(importlib.__file__)
    ]
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return TargetError(f"the module {name!r} can't be imported:\n\n{''.join(lines).rstrip()}")


def _missing(module: ModuleType, name: str) -> str:
    file = getattr(module, "__file__", None) or "a folder without __init__.py"
    apps = [key for key, value in vars(module).items() if isinstance(value, App)]
    classes = [
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, App) and value is not App
    ]
    if apps:
        advice = f"; the apps there are {', '.join(f'{module.__name__}:{key}' for key in apps)}"
    elif classes:
        advice = f"; make one of the class that is there: {name} = {classes[0]}()"
    else:
        advice = ", and no other App"
    return f"the module {module.__name__!r} ({file}) has no {name!r}{advice}"


def _check_kind(app: Any, target: str) -> None:
    module, _, name = target.partition(":")
    if isinstance(app, type):
        own = app.__name__.lower() if issubclass(app, App) else "app"
        own = "app" if own == name else own
        raise TargetError(
            f"{target} is a class, and a server needs an instance: write {own} = {app.__name__}() "
            f"in the module, and then {module}:{own}"
        )
    if not callable(app):
        raise TargetError(f"{target} is of type {type(app).__name__}, and not an ASGI app")
    try:
        inspect.signature(app).bind(None, None, None)
    except TypeError:
        raise TargetError(
            f"{target} takes other arguments than an ASGI app (scope, receive, send); if it makes "
            f"one, write app = {name}() in the module, and then {module}:app"
        ) from None
    except ValueError:
        pass  # no signature to look at


if __name__ == "__main__":
    try:
        load(sys.argv[1])
    except TargetError as error:
        sys.exit(f"micropie: {error}")
