"""Converter: how the values of one parameter become what its annotation says."""

from collections.abc import Callable
from typing import Any


class FieldErrors(ValueError):
    """Values inside a model did not fit; the message names each field, and no value."""


class Converter:
    """How the values of one parameter are converted.

    Attributes:
        noun: what the value must be, for the error message: "an integer".
        from_text: converts a path segment, query value or form field.
        from_json: converts a value out of a JSON body, which has a type already.
        many: whether `from_text` takes all values of the name, as a list.
        is_file: whether it stands for uploaded files.
        is_model: whether it is a ModelConverter.

    Both functions raise ValueError, and nothing else, for a value that does not fit.
    """

    __slots__ = ("from_json", "from_text", "many", "noun")
    is_file = False
    is_model = False

    def __init__(
        self,
        noun: str,
        from_text: Callable[[Any], Any],
        from_json: Callable[[Any], Any],
        *,
        many: bool = False,
    ) -> None:
        self.noun = noun
        self.from_text = from_text
        self.from_json = from_json
        self.many = many


class ListConverter(Converter):
    """Converts each of the values of one name."""

    __slots__ = ()

    def __init__(self, item: Converter) -> None:
        def from_text(values: Any) -> list[Any]:
            return [item.from_text(value) for value in values]

        def from_json(values: Any) -> list[Any]:
            if not isinstance(values, list):
                raise ValueError
            return [item.from_json(value) for value in values]

        super().__init__(f"a list, each item {item.noun}", from_text, from_json, many=True)


class FileConverter(Converter):
    """Stands for an uploaded file, or all of one name: no other value will do, nor be converted."""

    __slots__ = ()
    is_file = True

    def __init__(self, *, many: bool = False) -> None:
        super().__init__("an uploaded file", _misfit, _misfit, many=many)


class ModelConverter(Converter):
    """Makes a model out of a whole JSON object or form.

    Args:
        from_fields: takes the object as a dict and, for a form, True: its values are texts then,
            or lists of texts for the names in *lists*. Raises FieldErrors.
        lists: the fields that take all values of their name.
    """

    __slots__ = ("from_fields", "lists")
    is_model = True

    def __init__(
        self, from_fields: Callable[[dict[str, Any], bool], Any], lists: frozenset[str]
    ) -> None:
        def from_json(value: Any) -> Any:
            if not isinstance(value, dict):
                raise ValueError
            return from_fields(value, False)

        super().__init__("an object", _misfit, from_json)
        self.from_fields = from_fields
        self.lists = lists

    def from_form(self, form: dict[str, list[str]]) -> Any:
        """Return the model for the values of a form; raises FieldErrors."""
        fields: dict[str, Any] = {
            name: values if name in self.lists else values[0] for name, values in form.items()
        }
        return self.from_fields(fields, True)


def _misfit(_: Any) -> Any:
    raise ValueError
