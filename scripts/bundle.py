"""Make dist/micropie.py, the core as a single file, out of its modules.

Those follow each other as their imports ask, as they are but for these imports; so no two may give
the same name to different things. `micropie.testing` and the command stay out: they need an
install.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "packages" / "micropie"
SOURCE = PACKAGE / "src" / "micropie"

HEAD = '''\
"""MicroPie {version} in a single file, made from commit {commit}.

Put it beside your app, as micropie.py, and `from micropie import App`. Or install it, which brings
the extensions and the optional libraries within reach: pip install "micropie[all]".
"""

# {license}

# ruff: noqa
# mypy: ignore-errors

{imports}
'''

# Extensions import these modules by name, `micropie.codec` for one, also from the single file.
PUBLIC = ("codec", "concurrency", "parameters", "types")
# Modules of the core import these as modules: `from micropie import codec`.
AS_MODULES = ("codec",)
PUBLISH = """
_module = types.ModuleType(f"{{__name__}}.{name}")
vars(_module).update({{name: globals()[name] for name in {names}}}, __all__={names})
sys.modules[_module.__name__] = _module
"""


def modules() -> dict[str, Path]:
    """Return the modules by name, "_http.request" say, each after those that it imports."""
    paths = {dotted_name(path): path for path in sorted(SOURCE.rglob("*.py"))}
    graph = {
        name: set(own_imports(path))
        for name, path in paths.items()
        if not name.startswith(("testing", "_command", "__main__"))
    }
    order = TopologicalSorter(graph).static_order()
    return {name: paths[name] for name in order if name in graph}


def dotted_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def own_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "micropie":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("micropie."):
            yield str(node.module).removeprefix("micropie.")


def bundle() -> str:
    imports: set[str] = set()
    found: dict[str, str] = {}
    parts = []
    for name, path in modules().items():
        tree = ast.parse(path.read_text())
        lines = path.read_text().splitlines()
        about = ast.get_docstring(tree) or ""
        for node in imports_in_functions(tree):
            blank(lines, node)
        for node in tree.body:
            is_import = isinstance(node, ast.Import | ast.ImportFrom)
            if is_import and not (getattr(node, "module", None) or "").startswith("micropie"):
                imports.update(ast.unparse(node) for node in split(node))
            if is_import or node is tree.body[0]:  # the docstring
                blank(lines, node)
            for defined, text in definitions(node):
                if found.setdefault(defined, text) != text and defined != "__all__":
                    sys.exit(f"{path}: {defined} is something else in another module")
        text = "\n".join(lines).strip("\n")
        if name in PUBLIC:
            names = f"_{name.upper()}"
            if "__all__ = " not in text:  # all that it defines
                own = [node for node in tree.body if isinstance(node, ast.Assign)]
                text += f"\n\n__all__ = {[name for node in own for name, _ in definitions(node)]}"
            text = text.replace("__all__ = ", f"{names} = ") + "\n"
            text += PUBLISH.format(name=name, names=names)
            if name in AS_MODULES:
                text += f"{name} = _module\n"
        source = path.relative_to(SOURCE).as_posix()
        comment = re.sub(r"^", "# ", f"{source}: {about}", flags=re.MULTILINE)
        parts.append(f"\n\n# {'-' * 98}\n{comment}\n\n\n".replace("# \n", "#\n") + text + "\n")
    head = HEAD.format(
        version=version(),
        commit=commit(),
        license="\n# ".join((PACKAGE / "LICENSE").read_text().strip().splitlines()),
        imports="\n".join(sorted(imports)),
    )
    text = head.replace("# \n", "#\n") + "".join(parts)
    ast.parse(text)
    return re.sub(r"\n{4,}", "\n\n\n", text)


def blank(lines: list[str], node: ast.stmt) -> None:
    end = node.end_lineno or node.lineno
    lines[node.lineno - 1 : end] = [""] * (end - node.lineno + 1)


def imports_in_functions(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    """Yield the imports of other modules of the core that are made when a function runs."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("micropie."):
                    yield node


def split(node: ast.Import | ast.ImportFrom) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield an import for each name."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield ast.Import([alias])
        else:
            yield ast.ImportFrom(node.module, [alias], node.level)


def definitions(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield each name that *node* gives to something of the module, and what that is."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, ast.unparse(node)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        if not (getattr(node, "module", None) or "").startswith("micropie"):
            for single in split(node):
                alias = single.names[0]
                yield alias.asname or alias.name, ast.unparse(single)
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.For):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    yield name.id, ast.unparse(node)


def version() -> str:
    text = (SOURCE / "__init__.py").read_text()
    return re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)[1]


def commit() -> str:
    """Return the commit that is checked out, with a "+" if the core was changed since."""
    try:
        git = ["git", "-C", str(ROOT)]
        head = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
        changed = subprocess.check_output([*git, "status", "--porcelain", "--", str(SOURCE)])
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "micropie.py"
    target.write_text(bundle())
    print(f"{target}: {len(target.read_text().splitlines())} lines")
