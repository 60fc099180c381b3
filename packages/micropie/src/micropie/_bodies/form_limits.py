"""How much a form may hold, urlencoded or multipart."""

from sys import getsizeof
from typing import NamedTuple

from micropie._errors import ContentTooLarge

# Of the text of all fields together. One character beyond the first 65,536 makes Python take four
# bytes for each of a string, so that 16 MiB become 64. Longer fields may take more in proportion.
MIB = 1024**2
FORM_TEXT = 40 * MIB

TOO_MANY_FIELDS = "too many form fields"
TOO_MANY_FILES = "too many files"
FIELD_TOO_LONG = "a form field is too long"


class FormLimits(NamedTuple):
    """How much a form may hold: the App's parameters of the same names."""

    max_form_fields: int
    max_form_field_size: int  # bytes
    max_files: int


def with_memory_of(text: str, memory: int, limits: FormLimits) -> int:
    """Return the bytes of *memory* that fields take with *text* as another.

    Raises:
        ContentTooLarge: it is too much.
    """
    memory += getsizeof(text)
    if memory > max(FORM_TEXT, FORM_TEXT // MIB * limits.max_form_field_size):
        raise ContentTooLarge("the text of the form is too long")
    return memory
