"""Jinja2 templates, rendered without blocking the event loop."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from inspect import iscoroutinefunction
from itertools import chain
from typing import TYPE_CHECKING, Any

from micropie._threads import run_in_thread

if TYPE_CHECKING:  # Jinja2 is optional, and imported when first used
    from jinja2 import Environment, Template, nodes

    class OpenEnvironment(Environment):
        """An Environment into which apps may put what they like: Jinja2 only has inferred types."""

        globals: dict[str, Any]
        filters: dict[str, Any]
        tests: dict[str, Any]


# What is sent as plain text, a mail for one. A list of the names that are escaped would miss some:
# "page.html.j2", "page.jinja", "icon.svg", and whatever comes next.
_PLAIN_TEXT = (".txt", ".txt.j2", ".txt.jinja", ".txt.jinja2")


class Templates:
    """The templates of one folder.

    Args:
        folder: where they lie; a relative path means the working directory.
        auto_reload: tells whether to look for changes on disk at a rendering (for development).
        global_names: what every template knows by name.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        auto_reload: Callable[[], bool],
        global_names: dict[str, Any],
    ) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise TypeError(f"template_dir must be a str or a path, not {folder!r}")
        self._folder = os.fspath(folder)
        self._auto_reload = auto_reload
        self._global_names = global_names
        self._environment: Environment | None = None
        self._loaded: dict[str, Template] = {}
        # Those in which nothing can be awaited, compiled without `await`: a third faster.
        self._plain: dict[str, Template] = {}
        self._plain_environment: Environment | None = None

    def environment(self) -> "Environment":
        """Return the Jinja environment.

        Raises:
            RuntimeError: Jinja2 is not installed.
        """
        if self._environment is None:
            try:
                import jinja2
            except ImportError:
                raise RuntimeError(
                    "templates need Jinja2: pip install 'micropie[templates]'"
                ) from None
            self._environment = jinja2.Environment(
                loader=jinja2.FileSystemLoader(self._folder),
                autoescape=_is_escaped,  # noqa: S701 - it is True for most
                enable_async=True,
                auto_reload=False,
                # No limit: an evicted template would be read again on the event loop.
                cache_size=-1,
            )
            self._environment.globals.update(self._global_names)
        if self._auto_reload():
            self._environment.auto_reload = True
        return self._environment

    async def render(self, name: str, context: dict[str, Any]) -> str:
        """Return template *name* rendered with *context*.

        Raises:
            RuntimeError: Jinja2 is not installed.
            jinja2.TemplateNotFound: there is no such file; the message names the folder.
        """
        template = self._loaded.get(name)
        if template is None or self._auto_reload():
            template = await run_in_thread(self._load, name)
        plain = self._plain.get(name)
        if plain is not None and _is_data(context.values()):
            return plain.render(context)
        return await template.render_async(context)

    def _load(self, name: str) -> "Template":
        """Read *name* and the templates that it extends, includes or imports by a fixed name."""
        environment = self.environment()  # first: it says what to do when there is no Jinja2
        environment.auto_reload = self._auto_reload()
        from jinja2 import FileSystemLoader, TemplateNotFound, meta

        if isinstance(environment.loader, FileSystemLoader):
            # One spelling a file: "./a.html", "././a.html" and so on would all be kept forever.
            name = "/".join(part for part in name.split("/") if part not in ("", "."))
            if name in self._loaded and not environment.auto_reload:
                return self._loaded[name]
        try:
            template = environment.get_template(name)
        except TemplateNotFound as error:
            if error.name != name:
                raise
            raise TemplateNotFound(name, self._not_found(name)) from None
        self._loaded[name] = template
        self._plain.pop(name, None)
        if environment.loader is not None and environment.loader.has_source_access:
            tree = environment.parse(environment.loader.get_source(environment, name)[0])
            names = [*meta.find_referenced_templates(tree)]
            for referenced in names:
                if referenced and referenced not in self._loaded:
                    # A missing one is the rendering's to report: it may be "ignore missing".
                    with suppress(TemplateNotFound):
                        self._load(referenced)
            is_plain = self._plain.keys() >= {*names} and self._awaits_nothing(environment, tree)
            if is_plain and not environment.auto_reload:
                if self._plain_environment is None:
                    # What a cache has of these templates is bytecode with `await`.
                    plain = environment.overlay(enable_async=False, bytecode_cache=None)
                    self._plain_environment = plain
                self._plain[name] = self._plain_environment.get_template(name)
        return template

    def _awaits_nothing(self, environment: "Environment", tree: "nodes.Template") -> bool:
        """Tell whether a template can call only what is known to return no awaitable.

        What the context holds may not be called either, if it is as `_is_data` says.
        """
        from jinja2 import defaults, filters, nodes, tests

        known = {**defaults.DEFAULT_NAMESPACE, **self._global_names}
        names = {node.name for node in tree.find_all(nodes.Name)}
        called = [(name, environment.globals.get(name)) for name in names]
        return (
            not environment.extensions
            and environment.filters == filters.FILTERS  # any of them: `map` takes a name
            and environment.tests == tests.TESTS
            and all(f is known.get(name) and not iscoroutinefunction(f) for name, f in called)
        )

    def _not_found(self, name: str) -> str:
        folder = os.path.abspath(self._folder)
        if not os.path.isdir(folder):
            return (
                f"template {name!r} not found: the folder {folder} does not exist; create it, or "
                "pass App(template_dir=...)"
            )
        return f"template {name!r} not found in {folder}"


_SCALARS = frozenset({str, int, float, bool, bytes, type(None)})
_DATA = _SCALARS | {dict, list, tuple, set, frozenset}
_MOST_DATA = 10_000  # values, of which looking at them takes a millisecond


def _is_data(values: Iterable[Any]) -> bool:
    """Tell whether there is nothing in *values* that can be awaited or called."""
    level = [*values]
    while level:
        if len(level) > _MOST_DATA or not _DATA.issuperset(map(type, level)):
            return False
        containers = [value for value in level if type(value) not in _SCALARS]
        level = [*chain.from_iterable(containers)]  # of a dict the keys
        level += chain.from_iterable(each.values() for each in containers if type(each) is dict)
    return True


def _is_escaped(name: str | None) -> bool:
    """Tell whether what goes into template *name* is escaped; None is one made of a string."""
    return name is None or not name.lower().endswith(_PLAIN_TEXT)
