"""Each package declares what it imports, and from which version on that works."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PACKAGES = sorted(
    path.parent for path in Path(__file__).parents[2].glob("packages/*/pyproject.toml")
)

# What only those meet who have it: their tests, and their models, run by micropie.
OF_USERS = {"msgspec", "pydantic", "pytest"}

# Of the standard library too, from Python 3.14 on.
STANDARD = sys.stdlib_module_names | {"annotationlib"}


def requirements_of(package: Path) -> list[Requirement]:
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    declared = [project["dependencies"], *project.get("optional-dependencies", {}).values()]
    return [Requirement(text) for texts in declared for text in texts]


def imports_of(package: Path) -> set[str]:
    names = set()
    for path in package.glob("src/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
    return {name.partition(".")[0] for name in names} - STANDARD


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_what_a_package_imports_it_declares(package):
    declared = {normalized(requirement.name) for requirement in requirements_of(package)}
    distributions = packages_distributions()
    for name in imports_of(package) - OF_USERS:
        # The packages of this checkout are called as what they are imported by.
        of = {normalized(one) for one in [name, *distributions.get(name, ())]}
        assert of & (declared | {package.name}), f"{name} is imported and not declared"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_every_dependency_has_one_lower_bound(package):
    for requirement in requirements_of(package):
        if requirement.name != "micropie" or requirement.specifier:
            bounds = [bound for bound in requirement.specifier if bound.operator == ">="]
            assert len(bounds) == 1, str(requirement)


def test_the_audit_looks_at_the_oldest_and_the_newest_versions():
    """uv chooses them by what the packages declare."""
    scripts = Path(__file__).parents[2] / "scripts"
    program = "import audit, sys; print(audit.requirements(sys.argv[1]))"
    resolved = {}
    for resolution in ("lowest-direct", "highest"):
        done = subprocess.run(
            [sys.executable, "-c", program, resolution],
            env={**os.environ, "PYTHONPATH": str(scripts)},
            cwd=scripts.parent,
            check=True,
            capture_output=True,
            text=True,
        )
        pinned = (Requirement(line) for line in done.stdout.split())
        resolved[resolution] = {normalized(each.name): each.specifier for each in pinned}
    for package in PACKAGES:
        for requirement in requirements_of(package):
            name = normalized(requirement.name)
            if name.startswith("micropie"):  # of this checkout
                continue
            (bound,) = (bound for bound in requirement.specifier if bound.operator == ">=")
            (oldest,), (newest,) = (resolved[end][name] for end in ("lowest-direct", "highest"))
            assert Version(oldest.version) == Version(bound.version)
            assert newest.version in requirement.specifier
            assert Version(newest.version) >= Version(bound.version)
