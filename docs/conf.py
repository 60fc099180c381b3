"""How Sphinx builds the documentation."""

from importlib.metadata import version as installed_version

project = "MicroPie"
author = "The MicroPie developers"
copyright = "The MicroPie developers"  # noqa: A001 - Sphinx's name for it
version = release = installed_version("micropie")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
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
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_use_rtype = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88

# Names of other projects are not looked up: the build needs no network. Ours must all be there.
nitpick_ignore_regex = [("py:.*", r"(?!micropie).*")]

spelling_lang = "en_GB"
spelling_word_list_filename = "words.txt"
spelling_show_suggestions = True

# As they stand in the source, so that no signature unfolds them.
_ALIASES = {
    "MutableMapping[str, Any]": "Scope",
    "Callable[[], Awaitable[Scope]]": "Receive",
    "Callable[[Scope], Awaitable[None]]": "Send",
    "Callable[[Scope, Receive, Send], Awaitable[None]]": "ASGIApp",
    "list[tuple[str, str]] | Mapping[str, str]": "HeadersInput",
}


def _name_aliases(_app, _what, _name, _obj, _options, signature, returns):  # type: ignore[no-untyped-def]
    """Show the aliases of `micropie.types` in signatures by their names."""
    shown = []
    for text in (signature, returns):
        for unfolded, alias in _ALIASES.items():
            text = text and text.replace(unfolded, alias)
        shown.append(text)
    return tuple(shown)


def setup(app):  # type: ignore[no-untyped-def] # noqa: D103 - Sphinx's name for it
    app.connect("autodoc-process-signature", _name_aliases)
