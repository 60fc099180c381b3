"""Compares what is installed with the oldest versions that the six packages say they work with.

`hatch run floor:test` begins with it: in an environment that was made before a floor was moved, or
where another package asks for more, the tests would say nothing about the floors.
"""

import sys
import tomllib
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version


def main() -> None:
    """Print what is installed of each dependency; fail if that isn't its floor."""
    wrong = []
    for path in sorted(Path("packages").glob("*/pyproject.toml")):
        project = tomllib.loads(path.read_text())["project"]
        extras = project.get("optional-dependencies", {}).values()
        for text in chain(project["dependencies"], *extras):
            requirement = Requirement(text)
            if requirement.name == "micropie":
                continue  # is in this checkout
            installed = Version(version(requirement.name))
            print(f"{project['name']}: {requirement.name} {installed}")
            if [installed] != floors_of(requirement):
                wrong.append(f"{project['name']} asks for {text}: {installed} is not the oldest")
    if wrong:
        sys.exit("\n".join([*wrong, "`hatch env remove floor` has Hatch make a new environment"]))


def floors_of(requirement: Requirement) -> list[Version]:
    """Return the lower bounds of *requirement*; it should have one."""
    return [Version(bound.version) for bound in requirement.specifier if bound.operator == ">="]


if __name__ == "__main__":
    main()
