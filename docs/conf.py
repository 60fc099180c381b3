"""How Sphinx builds the documentation."""

import re
from importlib.metadata import version as installed_version

from sphinx.util import inspect

project = "MicroPie"
author = "The MicroPie developers"
copyright = "The MicroPie developers"  # noqa: A001 - Sphinx's name for it
version = release = installed_version("micropie")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
if tags.has("spelling"):  # type: ignore[name-defined] # noqa: F821 - Sphinx provides it
    extensions.append("sphinxcontrib.spelling")  # needs libenchant, which pip can't install
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"MicroPie {release}"
html_theme_options = {
    "source_repository": "https://github.com/patx/micropie/",
    "source_branch": "main",
    "source_directory": "docs/",
}

# What is copied from a console are its commands.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"
copybutton_only_copy_prompt_lines = True

# In docstrings `this` is code, as in Markdown.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_use_rtype = False
napoleon_use_ivar = False
python_maximum_signature_line_length = 88

# Names of other projects are not looked up: the build needs no network. Ours must all be there.
nitpick_ignore_regex = [
    ("py:.*", r"(?!micropie).*"),
    ("py:class", r"micropie\w*\.[\w.]+\.(H|T|Job|Outcome|Resource)"),  # type variables
]

spelling_lang = "en_GB"
spelling_word_list_filename = "words.txt"
spelling_warning = True

# As they stand in the source: signatures would unfold them.
_ALIASES = {
    "MutableMapping[str, Any]": "Scope",
    "Callable[[], Awaitable[Scope]]": "Receive",
    "Callable[[Scope], Awaitable[None]]": "Send",
    "Callable[[Scope, Receive, Send], Awaitable[None]]": "ASGIApp",
    "list[tuple[str, str]] | Mapping[str, str]": "HeadersInput",
}


def _shorten(text: str | None) -> str | None:
    """Return a signature with plain names, and aliases for what they stand for."""
    if text is None:
        return None
    text = re.sub(r"~?(collections\.abc|typing|contextlib)\.", "", text)
    for unfolded, alias in _ALIASES.items():
        text = text.replace(unfolded, alias)
    return text


def _process_signature(_app, what, _name, obj, _options, signature, returns):  # type: ignore[no-untyped-def]
    """Show the parameters of `__init__` where there is a `__new__` as well, and short types."""
    if what == "class" and signature and signature.startswith("(*args"):
        parameters = inspect.signature(obj.__init__, bound_method=True)
        signature = inspect.stringify_signature(
            parameters, show_return_annotation=False, unqualified_typehints=True
        )
    return _shorten(signature), _shorten(returns)


def setup(app):  # type: ignore[no-untyped-def] # noqa: D103 - Sphinx's name for it
    app.connect("autodoc-process-signature", _process_signature)
