"""Compares this app's description of itself with another description of the same API.

    python compare.py openapi.yml

The argument is a file or a URL. Prints each difference in paths, methods, parameters, bodies and
responses, with the reason for it, and fails at one that has none.
"""

import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from app import conduit

METHODS = ("get", "put", "post", "delete", "patch")

# By what a line says; the first that fits counts.
REASONS = {
    r"^more: .*, (405|413)$": "answered by the framework",
    r"^more: .*, (403|404|409)$": "the text of the specification has it, its description has not",
    r"^more: GET /articles/\{slug\}, 401$": "an invalid token, as for other articles",
    r"^missing: GET /(user|tags), 422$": "there is nothing that could be invalid",
    r"format None, theirs password": "says how to show it, not what it may be",
    r"(minLength|maxLength|maximum|minimum) ": "every value has a bound",
    r"pattern ": "PostgreSQL stores no NUL",
    r"null as well": "a field that is null stays as it is, like one that is not sent",
}


def main() -> None:
    """Print the differences; exit with 1 if one of them has no reason."""
    document = conduit.mounts["/docs"].document()
    unexplained = 0
    for line in differences(resolved(document, document), load(sys.argv[1])):
        reason = next((text for part, text in REASONS.items() if re.search(part, line)), None)
        unexplained += reason is None
        print(f"{line}: {reason or 'NO REASON'}")
    sys.exit(unexplained > 0)


def load(place: str) -> Any:
    """Return the document at *place*, with every reference replaced by what it refers to."""
    if "://" in place:
        with urllib.request.urlopen(place) as answer:  # noqa: S310 - a URL is what was asked for
            text = answer.read().decode()
    else:
        text = Path(place).read_text()
    document = yaml.safe_load(text)  # of which JSON is a part
    return resolved(document, document)


def resolved(part: Any, document: Any) -> Any:
    """Return *part* of *document* without references; neither contains itself."""
    if isinstance(part, list):
        return [resolved(each, document) for each in part]
    if not isinstance(part, dict):
        return part
    if isinstance(part.get("$ref"), str):
        target = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name.replace("~1", "/").replace("~0", "~")]
        return resolved(target, document)
    return {name: resolved(each, document) for name, each in part.items()}


def differences(ours: Any, theirs: Any) -> Iterator[str]:
    """Yield what differs, a line each."""
    for path, item in theirs["paths"].items():
        for method in METHODS:
            where = f"{method.upper()} {path}"
            mine, wanted = ours["paths"].get(path, {}).get(method), item.get(method)
            if wanted and not mine:
                yield f"missing: {where}"
            elif wanted:
                yield from operation_differences(where, mine, wanted)
    for path, item in ours["paths"].items():
        for method in METHODS:
            if method in item and method not in theirs["paths"].get(path, {}):
                yield f"more: {method.upper()} {path}"


def operation_differences(where: str, mine: Any, wanted: Any) -> Iterator[str]:
    """Yield what differs in an operation."""
    given = {(each["in"], each["name"]): each for each in mine.get("parameters", ())}
    for parameter in wanted.get("parameters", ()):
        key = parameter["in"], parameter["name"]
        at = f"{where}, {key[0]} parameter {key[1]}"
        if key not in given:
            yield f"missing: {at}"
            continue
        if given[key].get("required", False) != parameter.get("required", False):
            yield f"differs: {at}: required"
        yield from schema_differences(at, given[key]["schema"], parameter["schema"])
    if wanted.get("requestBody"):
        yield from content_differences(
            f"{where}, body", mine.get("requestBody") or {}, wanted["requestBody"]
        )
    for status, response in wanted["responses"].items():
        if status not in mine["responses"]:
            yield f"missing: {where}, {status}"
        else:
            yield from content_differences(
                f"{where}, {status}", mine["responses"][status], response
            )
    for status in mine["responses"].keys() - wanted["responses"].keys():
        yield f"more: {where}, {status}"


def content_differences(where: str, mine: Any, wanted: Any) -> Iterator[str]:
    """Yield what differs in bodies."""
    for media_type, content in (wanted.get("content") or {}).items():
        given = (mine.get("content") or {}).get(media_type)
        if given is None:
            yield f"missing: {where}, {media_type}"
        else:
            yield from schema_differences(where, given["schema"], content["schema"])


def schema_differences(where: str, mine: Any, wanted: Any) -> Iterator[str]:
    """Yield what differs in schemas: types, properties, and which of these must be there."""
    if "anyOf" in mine:  # of which one is null
        mine = next(each for each in mine["anyOf"] if each.get("type") != "null") | {
            "nullable": True
        }
    for name in ("type", "format", "minimum", "maximum", "minLength", "maxLength", "pattern"):
        if mine.get(name) != wanted.get(name):
            yield f"differs: {where}: {name} {mine.get(name)}, theirs {wanted.get(name)}"
    if mine.get("nullable"):
        yield f"differs: {where}: null as well"
    if set(mine.get("required", ())) != set(wanted.get("required", ())):
        both = sorted(mine.get("required", ())), sorted(wanted.get("required", ()))
        yield f"differs: {where}: requires {json.dumps(both[0])}, theirs {json.dumps(both[1])}"
    for name, schema in wanted.get("properties", {}).items():
        if name not in mine.get("properties", {}):
            yield f"missing: {where}.{name}"
        else:
            yield from schema_differences(f"{where}.{name}", mine["properties"][name], schema)
    if "items" in wanted:
        yield from schema_differences(f"{where}[]", mine.get("items", {}), wanted["items"])


if __name__ == "__main__":
    main()
