"""Names and values in percent encoding: urlencoded forms, within limits, and queries."""

import asyncio

from micropie._bodies.form_limits import FIELD_TOO_LONG, TOO_MANY_FIELDS, FormLimits, with_memory_of
from micropie._errors import ContentTooLarge
from micropie._percent import unquoted, unquoted_size

# Bytes of a urlencoded form above which it is parsed in steps, and of such a step: 16 KiB take 1 ms
# at most, which is malformed escapes only.
LONG_FORM = 64 * 1024
_STEP = 16 * 1024

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_form(data: bytes, limits: FormLimits) -> dict[str, list[str]]:
    """Return every value of every name of a urlencoded form.

    Raises:
        ContentTooLarge: a limit is exceeded.
    """
    # Counted before anything is split: 16 MiB of "&" would make as many million strings.
    if data and data.count(b"&") >= limits.max_form_fields:
        raise ContentTooLarge(TOO_MANY_FIELDS)
    if len(data) > limits.max_form_field_size:
        for pair in data.split(b"&"):
            for text in pair.split(b"=", 1):
                _check_field(text, limits)
    return parse_urlencoded(data.removeprefix(BYTE_ORDER_MARK))


async def parse_long_form(data: bytes, limits: FormLimits) -> dict[str, list[str]]:
    """Return what `parse_form` does, in steps between which the event loop serves others.

    Raises:
        ContentTooLarge: a limit is exceeded.
    """
    if data.count(b"&") >= limits.max_form_fields:
        raise ContentTooLarge(TOO_MANY_FIELDS)
    data = data.removeprefix(BYTE_ORDER_MARK)
    fields: dict[str, list[str]] = {}
    start = memory = 0
    while start < len(data):  # one by one, for all pairs at once are a copy of the form
        end = data.find(b"&", start)
        end = len(data) if end < 0 else end
        if end > start:
            name, _, value = data[start:end].partition(b"=")
            text = await _decoded_in_steps(name, limits)
            fields.setdefault(text, []).append(await _decoded_in_steps(value, limits))
            memory = with_memory_of(fields[text][-1], memory, limits)
        start = end + 1
    return fields


def _check_field(text: bytes, limits: FormLimits) -> None:
    """Reject *text* if it is too long once its percent escapes are decoded."""
    left, size = limits.max_form_field_size, len(text)
    # Three bytes become one at best.
    if size > left and (size > 3 * left or unquoted_size(text) > left):
        raise ContentTooLarge(FIELD_TOO_LONG)


async def _decoded_in_steps(raw: bytes, limits: FormLimits) -> str:
    _check_field(raw, limits)
    await asyncio.sleep(0)
    text = raw.decode("utf-8", "replace").replace("+", " ")
    if "%" not in text:
        return text
    data, start = bytearray(), 0
    while start < len(text):
        end = start + _STEP
        # What follows a "%" belongs to it.
        end = next((at for at in (end - 2, end - 1) if text[at : at + 1] == "%"), end)
        data += unquoted(text[start:end])
        start = end
        await asyncio.sleep(0)
    return data.decode("utf-8", "replace")


def parse_urlencoded(data: bytes) -> dict[str, list[str]]:
    """Return every value of every name, in order; bytes that are not UTF-8 become U+FFFD."""
    values: dict[str, list[str]] = {}
    if not data:
        return values
    for pair in data.decode("utf-8", "replace").replace("+", " ").split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in pair:
            if "%" in name:
                name = unquoted(name).decode("utf-8", "replace")
            if "%" in value:
                value = unquoted(value).decode("utf-8", "replace")
        if name in values:
            values[name].append(value)
        else:
            values[name] = [value]
    return values
