"""Converters: what turns the values of one parameter or field into what its annotation says."""

import copy
from collections.abc import Callable
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


class Converter:
    """How the values of one parameter are converted.

    Attributes:
        noun: what the value must be, for the error message: "an integer".
        from_text: converts a path segment, query value or form field.
        from_json: converts a value out of a JSON body, which has a type already.
        many: whether `from_text` takes all values of the name, as a list.
        of_models: whether it makes a list of models.
        is_file: whether it stands for uploaded files.
        is_model: whether it is a ModelConverter.

    Both functions raise ValueError, and nothing else, for a value that does not fit.
    """

    __slots__ = ("from_json", "from_text", "many", "noun", "of_models")
    is_file = False
    is_model = False

    def __init__(
        self,
        noun: str,
        from_text: Callable[[Any], Any],
        from_json: Callable[[Any], Any],
        *,
        many: bool = False,
        of_models: bool = False,
    ) -> None:
        self.noun = noun
        self.from_text = from_text
        self.from_json = from_json
        self.many = many
        self.of_models = of_models


class ListConverter(Converter):
    """Converts each of the values of one name."""

    __slots__ = ()

    def __init__(self, item: Converter) -> None:
        def from_text(values: Any) -> list[Any]:
            if item.many:
                raise ValueError  # text has no lists of lists
            return _each(item.from_text, values)

        def from_json(values: Any) -> list[Any]:
            if not isinstance(values, list):
                raise ValueError
            return _each(item.from_json, values)

        noun = f"a list, each item {item.noun}"
        super().__init__(noun, from_text, from_json, many=True, of_models=item.is_model)


def _each(convert: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    built: list[Any] = []
    try:
        for value in values:
            built.append(convert(value))
    except FieldErrors as error:
        raise error.inside(str(len(built))) from None
    return built


class DictConverter(Converter):
    """Converts the keys and values of a JSON object; text has none."""

    __slots__ = ()

    def __init__(self, key: Converter, item: Converter) -> None:
        def from_json(values: Any) -> dict[Any, Any]:
            if not isinstance(values, dict):
                raise ValueError
            try:
                return {key.from_text(k): item.from_json(value) for k, value in values.items()}
            except FieldErrors as error:
                raise error.inside("*") from None  # the key is the client's, and never repeated

        super().__init__(f"an object, each value {item.noun}", misfit, from_json)


class FileConverter(Converter):
    """Stands for an uploaded file, or all of one name: it converts nothing."""

    __slots__ = ()
    is_file = True

    def __init__(self, *, many: bool = False) -> None:
        super().__init__("an uploaded file", misfit, misfit, many=many)


class ModelConverter(Converter):
    """Makes a model out of a whole JSON document or form.

    Args:
        from_json: takes the value of the document, an object for most models.
        from_form: takes all values of each name in a form.
        noun: what the document must be.
    """

    __slots__ = ("from_form",)
    is_model = True

    def __init__(
        self,
        from_json: Callable[[Any], Any],
        from_form: Callable[[dict[str, list[str]]], Any],
        noun: str = "an object",
    ) -> None:
        super().__init__(noun, misfit, from_json)
        self.from_form = from_form


def misfit(_: Any) -> Any:
    """Refuse any value."""
    raise ValueError


def replaced(converter: Converter, **ways: Callable[[Any], Any]) -> Converter:
    """Return a converter like *converter* but for these of its functions."""
    changed = copy.copy(converter)
    for name, convert in ways.items():
        setattr(changed, name, convert)
    return changed
