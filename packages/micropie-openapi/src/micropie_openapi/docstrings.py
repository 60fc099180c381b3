"""Docstrings: what a handler's, in Google style, says of its operation."""

import re
from dataclasses import dataclass, field

_SECTION = re.compile(r"(Args|Arguments|Returns|Yields|Raises|Attributes|Examples?|Notes?):\s*")
_ENTRY = re.compile(r"\*{0,2}(\w+)(?: \([^)]*\))?:\s*(.*)")
# "HTTPError: 404, there is no such item."
_STATUS = re.compile(r"(?:\w+\.)*HTTPError:\s*(\d{3})[,:.]?\s*(.*)")


@dataclass(slots=True)
class Docstring:
    """The parts of a docstring.

    Attributes:
        summary: its first line.
        description: its other paragraphs before the first section.
        parameters: the texts of "Args", by name.
        returns: the text of "Returns".
        errors: the texts of "Raises", by the status of an HTTPError.
    """

    summary: str = ""
    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    returns: str = ""
    errors: dict[int, str] = field(default_factory=dict)


def parse(doc: str | None) -> Docstring:
    """Return the parts of *doc*, whose indentation is that of `inspect.getdoc`."""
    parsed = Docstring()
    if not doc or not doc.strip():
        return parsed
    summary, *lines = doc.strip().splitlines()
    parsed.summary = summary.strip().rstrip(".")
    sections: dict[str, list[str]] = {"": []}
    section = ""
    for line in lines:
        if heading := _SECTION.fullmatch(line):
            section = heading[1]
        elif section and line.strip() and not line.startswith(" "):
            section = ""  # a paragraph after a section
        sections.setdefault(section, []).append(line if not heading else "")
    parsed.description = "\n".join(sections[""]).strip()
    for name in ("Args", "Arguments"):
        for entry in _entries(sections.get(name, [])):
            if found := _ENTRY.fullmatch(entry):
                parsed.parameters[found[1]] = found[2]
    parsed.returns = " ".join(_entries(sections.get("Returns", [])))
    for entry in _entries(sections.get("Raises", [])):
        if found := _STATUS.fullmatch(entry):
            parsed.errors[int(found[1])] = found[2]
    return parsed


def _entries(lines: list[str]) -> list[str]:
    """Return the entries of a section: each starts at the least indentation there is."""
    filled = [line for line in lines if line.strip()]
    least = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    entries: list[str] = []
    for line in filled:
        if len(line) - len(line.lstrip()) == least or not entries:
            entries.append(line.strip())
        else:
            entries[-1] += f" {line.strip()}"
    return entries
