"""Converters: what turns the values of one parameter or field into what its annotation says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# A body of millions of wrong values must not make a response of millions of lines.
MAX_PROBLEMS = 50


class FieldErrors(ValueError):
    """Values inside a model did not fit; names each field, and no value.

    Args:
        errors: (path, message) pairs such as ("items.0.price", "must be a number"); the path is ""
            for the value as a whole.
    """

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__("; ".join(map(_sentence, errors)))
        self.errors = errors

    def inside(self, name: str) -> "FieldErrors":
        """Return these errors for a value that is the field or item *name* of another."""
        return FieldErrors(*((f"{name}.{path}".rstrip("."), text) for path, text in self.errors))


def _sentence(error: tuple[str, str]) -> str:
    """Return the text of one error; the messages of libraries are sentences of their own."""
    path, message = error
    if not path:
        return message
    return f"'{path}'{'' if message.startswith(('must ', 'is ')) else ':'} {message}"


@dataclass(slots=True, eq=False)
class Converter:
    """How the values of one parameter are converted.

    Attributes:
        noun: what the value must be, for the error message: "an integer".
        from_text: converts a path segment, query value or form field.
        from_json: converts a value out of a JSON body, which has a type already.
        from_form: makes a model of all values of each name in a form; None if it is not a model,
            which is made of a whole form or JSON document.
        many: whether `from_text` takes all values of the name, as a list.
        of_models: whether it makes a list of models.
        is_file: whether it stands for an uploaded file, or all of one name: it converts nothing.

    These functions raise ValueError, and nothing else, for a value that does not fit.
    """

    noun: str
    from_text: Callable[[Any], Any]
    from_json: Callable[[Any], Any]
    from_form: Callable[[dict[str, list[str]]], Any] | None = None
    many: bool = False
    of_models: bool = False
    is_file: bool = False


def list_converter(item: Converter) -> Converter:
    """Return what converts each of the values of one name."""

    def from_text(values: Any) -> list[Any]:
        if item.many:
            raise ValueError  # text has no lists of lists
        return _each(item.from_text, values)

    def from_json(values: Any) -> list[Any]:
        if not isinstance(values, list):
            raise ValueError
        return _each(item.from_json, values)

    noun, of_models = f"a list, each item {item.noun}", item.from_form is not None
    return Converter(noun, from_text, from_json, many=True, of_models=of_models)


def _each(convert: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    built: list[Any] = []
    try:
        for value in values:
            built.append(convert(value))
    except FieldErrors as error:
        raise error.inside(str(len(built))) from None
    return built


def dict_converter(key: Converter, item: Converter) -> Converter:
    """Return what converts the keys and values of a JSON object; text has none."""

    def from_json(values: Any) -> dict[Any, Any]:
        if not isinstance(values, dict):
            raise ValueError
        try:
            return {key.from_text(k): item.from_json(value) for k, value in values.items()}
        except FieldErrors as error:
            raise error.inside("*") from None  # the key is the client's, and never repeated

    return Converter(f"an object, each value {item.noun}", misfit, from_json)


def misfit(_: Any) -> Any:
    """Refuse any value."""
    raise ValueError
