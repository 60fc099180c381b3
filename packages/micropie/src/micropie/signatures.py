"""What a function takes, whether or not all the names in its annotations mean something."""

import inspect
import sys
from collections.abc import Callable
from typing import Any


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of *function*; an annotation may be a string or a `ForwardRef`.

    Since Python 3.14 annotations are evaluated when somebody asks (PEP 649), so that a name which
    is there for type checkers alone would fail here; that of a result, say, which nobody needs.
    """
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)
