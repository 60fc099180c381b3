"""Have Schemathesis send thousands of requests to the examples that describe themselves.

Run: hatch run openapi:check [--cases 10000] [APP ...] [-- OPTIONS OF SCHEMATHESIS]

No answer may be a 5xx, have a status or a body that the document does not know, or refuse what the
document allows. The tests send a few hundred of these requests; this takes half an hour or so.
"""

import argparse
import json
import math
import re
import sys
import tempfile
from pathlib import Path

import httpx2

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.examples import serve_example
from support.openapi import conform
from support.servers import Server

# By example: where its document is, below its mount.
DOCUMENTS = {"json_api": "/docs/openapi.json", "realworld": "/api/docs/openapi.json"}

# By example: further options. A new title gives an article a new slug, as RealWorld wants, and the
# old one is a 404 then. This check forgives that only after a DELETE.
OPTIONS = {"realworld": ["--exclude-checks", "ensure_resource_availability"]}

# Operations without parameters have few cases that differ; the others make up for them.
SURPLUS = 1.3


def sign_up(server: Server) -> list[str]:
    """Return the option that signs every request of Conduit."""
    fields = {"username": "ada", "email": "ada@example.org", "password": "lovelace"}
    answer = httpx2.post(f"{server.url}/api/users", json={"user": fields}, timeout=60)
    return ["-H", f"Authorization: Token {answer.json()['user']['token']}"]


def check(app: str, cases: int, options: list[str]) -> str | None:
    """Send *cases* requests or more to an example; return what is wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serve_example(app, folder, {"CONDUIT_PASSWORDS": "cheap"}) as server:
            url = server.url + DOCUMENTS[app]
            paths = json.loads(httpx2.get(url, timeout=60).text)["paths"]
            each = math.ceil(cases / sum(map(len, paths.values())) * SURPLUS)
            options = [*options, *OPTIONS.get(app, [])]
            if app == "realworld":
                options += sign_up(server)
            status, output = conform(url, folder, "--max-examples", str(each), *options)
            log = server.log()
    print(output)
    sent = sum(map(int, re.findall(r"^ *(\d+) generated", output, re.MULTILINE)))
    if status:
        return f"{app}: Schemathesis found something, or ended early"
    if "Traceback" in log:
        return f"{app}: {log[log.index('Traceback') :]}"
    return f"{app}: only {sent} of {cases} cases" if sent < cases else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("apps", nargs="*", metavar="APP", help=f"of {', '.join(DOCUMENTS)}")
    parser.add_argument("--cases", type=int, default=10_000, help="for each app")
    arguments = sys.argv[1:]
    place = arguments.index("--") if "--" in arguments else len(arguments)
    chosen, options = parser.parse_args(arguments[:place]), arguments[place + 1 :]
    if unknown := set(chosen.apps) - DOCUMENTS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    found = [check(app, chosen.cases, options) for app in chosen.apps or DOCUMENTS]
    if faults := [fault for fault in found if fault]:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
