"""Urlencoded forms: as the standard library reads them, within limits."""

import random
import tracemalloc
from urllib.parse import parse_qs

import pytest

from micropie._bodies.form_limits import FormLimits
from micropie._bodies.urlencoded import parse_form
from micropie._errors import ContentTooLarge
from support.forms import LIMITS


def test_a_urlencoded_form_is_parsed_within_its_limits() -> None:
    assert parse_form(b"", FormLimits(0, 0, 0)) == {}
    assert parse_form(b"a=1&a=%C3%A4+b&c", LIMITS) == {"a": ["1", "ä b"], "c": [""]}
    assert parse_form(b"&".join([b"a=1"] * 5), LIMITS) == {"a": ["1"] * 5}
    assert parse_form(b"a=" + b"x" * 1000, LIMITS) == {"a": ["x" * 1000]}
    assert parse_form(b"a=" + b"%78" * 1000 + b"&b=2", LIMITS) == {"a": ["x" * 1000], "b": ["2"]}


def test_a_urlencoded_form_is_read_as_the_standard_library_reads_it() -> None:
    source = random.Random(7)
    pieces = [*"az09AF %%%%&&==+_\0\x7f\n\ré", "%4", "%zz", "=41", "%c3", "%C3%A9", "%3d", "%0A"]
    for _ in range(20_000):
        text = "".join(source.choices(pieces, k=source.randrange(12)))
        data = text.encode()
        if not source.randrange(4):
            data += source.randbytes(2)  # often no UTF-8
        expected = parse_qs(
            data.decode("utf-8", "replace"), keep_blank_values=True, errors="replace"
        )
        assert parse_form(data, FormLimits(100, 100, 0)) == expected, data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"&".join([b"a=1"] * 6), "too many form fields"),
        (b"&" * 10_000_000, "too many form fields"),
        (b"a=1&b=" + b"x" * 1001, "a form field is too long"),
        (b"x" * 1001 + b"=1", "a form field is too long"),
        (b"a=" + b"%" * 1001, "a form field is too long"),
        (b"a=" + b"%78" * 1001, "a form field is too long"),
        (b"a=" + b"x" * 3001, "a form field is too long"),
    ],
)
def test_a_urlencoded_form_beyond_its_limits_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ContentTooLarge, match=reason):
        parse_form(data, LIMITS)


@pytest.mark.parametrize("data", [b"&" * 4_000_000, b"a=" + b"%" * 4_000_000])
def test_refusing_a_urlencoded_form_costs_little_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ContentTooLarge):
            parse_form(data, LIMITS)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(data)
    finally:
        tracemalloc.stop()
