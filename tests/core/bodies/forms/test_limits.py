"""How many parts a form may have and how large each, and what that costs to find out."""

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from micropie._bodies.form_limits import FormLimits
from micropie._bodies.multipart import FORM_MEMORY
from micropie._bodies.uploads import Files
from micropie._errors import ContentTooLarge
from support.bodies import MIB
from support.forms import BOUNDARY, END, field, file, parse
from support.temporary_files import names

pytestmark = pytest.mark.anyio


async def test_a_form_may_use_its_limits_up(files: Files) -> None:
    body = field(b"a", b"x" * 1000) * 5 + file(b"f", b"f", b"y" * 5000) * 5 + END
    assert await parse(body, files) == {"a": ["x" * 1000] * 5}
    assert len(files.getlist("f")) == 5


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (field(b"a", b"x") * 6, "too many form fields"),
        (field(b"a", b"x" * 1001), "a form field is too long"),
        (file(b"f", b"f", b"") * 6, "too many files"),
        (file(b"f", b"", b"x") * 6, "too many files"),
        (file(b"f", b"", b"") * 6, "too many form fields"),
    ],
)
async def test_a_limit_exceeded_is_content_too_large(
    files: Files, body: bytes, reason: str
) -> None:
    with pytest.raises(ContentTooLarge) as raised:
        await parse(body + END, files)
    assert raised.value.status_code == 413
    assert raised.value.body == f"413 Content Too Large: {reason}"


async def test_a_field_is_refused_before_it_is_received(files: Files) -> None:
    received = 0

    def endless() -> Iterator[bytes]:
        nonlocal received
        yield field(b"a", b"")[:-2]
        while True:
            received += 100
            yield b"x" * 100

    with pytest.raises(ContentTooLarge):
        await parse(endless(), files)
    assert received == 1100


@pytest.mark.parametrize("line", [b"X-Bomb: 1\r\n", b"X-Bomb: " + b"x" * 9000 + b"\r\n", b"x"])
async def test_a_header_bomb_is_refused_before_it_is_received(files: Files, line: bytes) -> None:
    received = 0

    def endless() -> Iterator[bytes]:
        nonlocal received
        yield b"--" + BOUNDARY + b"\r\n"
        while True:
            received += len(line)
            yield line

    with pytest.raises(ContentTooLarge, match="too many headers"):
        await parse(endless(), files)
    assert received < 20_000


@pytest.mark.usefixtures("named")
async def test_many_small_files_do_not_fill_the_memory(files: Files, spool_folder: Path) -> None:
    count = FORM_MEMORY // MIB
    parts = [file(b"f", b"f", b"x" * MIB)] * count + [file(b"f", b"g", b"y"), END]
    await parse(parts, files, FormLimits(0, 0, count + 1))
    (private,) = names(spool_folder)
    assert (spool_folder / private / "content").read_bytes() == b"y"
    assert await files.getlist("f")[-1].read() == b"y"
    assert await files.getlist("f")[-2].read() == b"x" * MIB


async def test_a_large_file_passes_through_little_memory(
    files: Files, tmp_path: Path, spool_folder: Path
) -> None:
    parts = [file(b"f", b"f", b"")[:-2], *[os.urandom(MIB)] * 64, b"\r\n" + END]
    tracemalloc.start()
    try:
        await parse(parts, files)
        size = sum([len(chunk) async for chunk in files["f"]])
        await files["f"].save(tmp_path / "saved")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == (tmp_path / "saved").stat().st_size == 64 * MIB
    assert peak < 16 * MIB
