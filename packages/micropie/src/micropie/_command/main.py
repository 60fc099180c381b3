"""What the command line says: its options, and which part of the command they go to."""

import argparse
import os
import sys
from collections.abc import Sequence

from micropie._command.new import new
from micropie._command.routes import routes
from micropie._command.run import run
from micropie._command.targets import TargetError

_TARGET = "module:name of the app, in this folder or installed: app:app is `app` in app.py"


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what *arguments* say; None: those of the process, which ends with 1 if that fails."""
    parser = argparse.ArgumentParser(prog="micropie", description="For developers of MicroPie apps")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("run", help="serve an app, for development")
    command.add_argument("app", help=_TARGET)
    command.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    command.add_argument("--port", type=_port, default=8000, help="default: %(default)s")
    command.add_argument("--workers", type=_count, metavar="N", help="processes; without reload")
    command.add_argument("--no-reload", dest="reload", action="store_false", help="as it says")
    command.set_defaults(function=run)

    command = commands.add_parser("routes", help="print the routes of an App")
    command.add_argument("app", help=_TARGET)
    command.add_argument("--json", dest="as_json", action="store_true", help="for programs")
    command.set_defaults(function=routes)

    command = commands.add_parser("new", help="make a folder with an app, its tests and a README")
    command.add_argument("folder", metavar="NAME", help="the folder, which must not exist")
    command.set_defaults(function=new)

    options = vars(parser.parse_args(arguments))
    function = options.pop("function")
    try:
        function(**options)
        sys.stdout.flush()
    except TargetError as error:
        sys.exit(f"micropie: {error}")
    except BrokenPipeError:  # `micropie routes app:app | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port: 0 to 65535")
    return port


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least one process serves")
    return count
