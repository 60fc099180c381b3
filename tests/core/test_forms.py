"""Form bodies: what clients send, what attackers send, and what is left afterwards."""

import asyncio
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import httpx2
import pytest

from micropie._bodies.forms import (
    FORM_MEMORY,
    Files,
    FormLimits,
    multipart_boundary,
    parse_form,
    parse_multipart,
)
from micropie._errors import BadRequest, ContentTooLarge, HTTPError

pytestmark = pytest.mark.anyio

MIB = 1024**2
LIMITS = FormLimits(max_form_fields=5, max_form_field_size=1000, max_files=5)
BOUNDARY = b"----WebKitFormBoundaryx7Q"
FILE_HEADERS = b'Content-Disposition: form-data; name="file"; filename="a.bin"'


@pytest.fixture(autouse=True)
def spool_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go; every test must leave it empty."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert names(folder) == []


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    files = Files()
    yield files
    await files.close()


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def part(headers: bytes, content: bytes) -> bytes:
    return b"--" + BOUNDARY + b"\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


def field(name: bytes, value: bytes) -> bytes:
    return part(b'Content-Disposition: form-data; name="%s"' % name, value)


def file(name: bytes, filename: bytes, content: bytes) -> bytes:
    disposition = b'Content-Disposition: form-data; name="%s"; filename="%s"' % (name, filename)
    return part(disposition + b"\r\nContent-Type: application/octet-stream", content)


END = b"--" + BOUNDARY + b"--\r\n"


async def parse(
    body: bytes | Iterable[bytes],
    files: Files,
    limits: FormLimits = LIMITS,
    boundary: bytes = BOUNDARY,
) -> dict[str, list[str]]:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in [body] if isinstance(body, bytes) else body:
            yield chunk

    return await parse_multipart(chunks(), boundary, limits, files)


async def outcome(body: bytes | Iterable[bytes]) -> object:
    """Return all that a body means to a handler, or the error it gets."""
    files = Files()
    try:
        fields = await parse(body, files)
        uploads = {
            name: [(f.filename, f.headers, await f.read()) for f in files.getlist(name)]
            for name in files
        }
    except HTTPError as error:
        return error.status_code, error.body
    finally:
        await files.close()
    return fields, uploads


# What browsers and other clients send


async def test_a_form_brings_its_fields_and_files(files: Files) -> None:
    body = field(b"title", b"Pie") + file(b"photo", b"pie.png", b"\x89PNG\r\n") + END
    assert await parse(body, files) == {"title": ["Pie"]}
    assert list(files) == ["photo"]
    assert files["photo"].filename == "pie.png"
    assert files["photo"].content_type == "application/octet-stream"
    assert files["photo"].headers["content-disposition"].startswith("form-data; ")
    assert await files["photo"].read() == b"\x89PNG\r\n"


async def test_values_of_one_name_stay_in_order(files: Files) -> None:
    body = field(b"tag", b"b") + field(b"x", b"") + field(b"tag", b"a") + END
    assert await parse(body, files) == {"tag": ["b", "a"], "x": [""]}


async def test_several_files_of_one_name_stay_in_order(files: Files) -> None:
    await parse(file(b"f", b"1", b"one") + file(b"f", b"2", b"two") + END, files)
    assert files["f"].filename == "1"
    assert [f.filename for f in files.getlist("f")] == ["1", "2"]
    assert files.getlist("g") == []


async def test_an_empty_file_input_is_no_file(files: Files) -> None:
    assert await parse(file(b"f", b"", b"") + field(b"a", b"1") + END, files) == {"a": ["1"]}
    assert files == {}


async def test_an_empty_file_with_a_name_is_a_file(files: Files) -> None:
    await parse(file(b"f", b"empty.txt", b"") + END, files)
    assert files["f"].size == 0
    assert await files["f"].read() == b""


async def test_content_without_a_file_name_is_a_file(files: Files) -> None:
    await parse(file(b"f", b"", b"content") + END, files)
    assert files["f"].filename == ""
    assert await files["f"].read() == b"content"


async def test_a_form_without_parts_is_empty(files: Files) -> None:
    assert await parse(END, files) == {}


async def test_text_around_the_parts_is_ignored(files: Files) -> None:
    chunks = [
        b"This is MIME.\r\n" + field(b"a", b"1") + END,
        b"",
        b"epilogue\r\n",
        b"--" + BOUNDARY,
    ]
    assert await parse(chunks, files) == {"a": ["1"]}


async def test_content_that_resembles_the_boundary_is_content(files: Files) -> None:
    tricky = b"\r\n--" + BOUNDARY[:-1] + b"\r\n\r--\n--" + BOUNDARY + b"\r\r\n-\r\n--"
    await parse(file(b"f", b"x", tricky) + END, files)
    assert await files["f"].read() == tricky


async def test_httpx_is_understood(files: Files) -> None:
    request = httpx2.Request(
        "POST",
        "http://localhost/",
        data={"a": ["1", "2"], "ö": "ü"},
        files=[("f", ('"ä".txt', b"one", "text/plain")), ("f", ("b", b"two"))],
    )
    boundary = multipart_boundary(request.headers["content-type"])
    fields = await parse(request.read(), files, boundary=boundary)
    assert fields == {"a": ["1", "2"], "ö": ["ü"]}
    assert [f.filename for f in files.getlist("f")] == ['"ä".txt', "b"]
    assert files["f"].content_type == "text/plain"


@pytest.mark.parametrize(
    ("sent", "filename"),
    [
        (b'filename="a%22b.txt"', 'a"b.txt'),  # browsers, as HTML wants it
        (b'filename="a\\"b.txt"', 'a"b.txt'),  # curl before 7.81
        (b'filename="50%25.txt"', "50%25.txt"),
        (b"filename=plain.txt", "plain.txt"),
        ('filename="übersicht 日本語 😀.txt"'.encode(), "übersicht 日本語 😀.txt"),
        (b'filename="caf\xe9.txt"', "caf\ufffd.txt"),  # a page in latin-1
        (b'filename="\xff\xfe\x00\x01"', "\ufffd\ufffd\x00\x01"),
        (b'filename="../../etc/passwd"', "../../etc/passwd"),
        (b"filename=\"=?utf-8?B?w6Q=?=\"; filename*=utf-8''%C3%A4.txt", "ä.txt"),  # .NET
        (b"filename*=UTF-8'en'%E2%82%AC%20rates", "€ rates"),
        (b"filename*=utf-8''%ff", "\ufffd"),
        (b"filename=\"; filename*=utf-8''evil\"", "; filename*=utf-8''evil"),
    ],
)
async def test_a_file_name_arrives_as_it_was_meant(
    files: Files, sent: bytes, filename: str
) -> None:
    headers = b'Content-Disposition: form-data; name="f"; ' + sent
    await parse(part(headers, b"x") + END, files)
    assert files["f"].filename == filename


async def test_header_spelling_does_not_matter(files: Files) -> None:
    headers = b'content-disposition:form-data;name="f";filename=x\r\nCONTENT-TYPE:   a/b  ; c=d'
    await parse(part(headers, b"x") + END, files)
    assert files["f"].content_type == "a/b  ; c=d"


async def test_text_that_is_no_utf_8_is_replaced(files: Files) -> None:
    body = field(b"na\xffme", b"a\xffb\xc3") + field("ключ".encode(), "€".encode()) + END
    assert await parse(body, files) == {"na\ufffdme": ["a\ufffdb\ufffd"], "ключ": ["€"]}


SAMPLE = (
    field(b"a", "€\r\n-".encode())
    + file(b"f", "ä.bin".encode(), b"\r\n--" + BOUNDARY[:9] + b"\r\n\x00\xff\r")
    + file(b"f", b"", b"")
    + END
)


async def test_a_body_means_the_same_wherever_it_is_cut() -> None:
    expected = await outcome(SAMPLE)
    assert isinstance(expected, tuple)
    assert expected[0] == {"a": ["€\r\n-"]}
    for cut in range(1, len(SAMPLE)):
        assert await outcome([SAMPLE[:cut], SAMPLE[cut:]]) == expected
    assert await outcome([bytes([byte]) for byte in SAMPLE]) == expected


async def test_a_body_cut_short_is_refused_wherever_it_ends() -> None:
    for length in range(len(SAMPLE) - 2):
        error = await outcome(SAMPLE[:length])
        assert isinstance(error, tuple)
        assert error[0] == 400, length
    assert await outcome(SAMPLE[:-2]) == await outcome(SAMPLE)


async def test_no_garbage_is_more_than_an_error() -> None:
    source = random.Random(7)
    pieces = [b"\r\n", b"--", BOUNDARY, b";", b'"', b":", b"\x00", b"\xff"]
    pieces += [b"\r\nContent-Length: %s\r\n" % number for number in (b"3", b"-1", b"9" * 5000)]
    statuses = set()
    for _ in range(2000):
        body = bytearray(SAMPLE)
        for _ in range(source.randint(1, 4)):
            start = source.randrange(len(body))
            end = start + source.choice([0, 1, 10])
            body[start:end] = source.choice([*pieces, source.randbytes(3)])
        cut = source.randrange(len(body))
        for chunks in ([bytes(body)], [bytes(body[:cut]), bytes(body[cut:])]):
            result = await outcome(chunks)
            assert isinstance(result, tuple)
            statuses.add(result[0] if isinstance(result[0], int) else 200)
    assert statuses == {200, 400, 413}


# Limits


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


# Malformed bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"--other\r\n" + FILE_HEADERS + b"\r\n\r\nx\r\n--other--\r\n",
        b"--" + BOUNDARY + b"\n" + FILE_HEADERS + b"\n\nx\n--" + BOUNDARY + b"--\n",
        b"x--" + BOUNDARY + b"\r\n" + FILE_HEADERS + b"\r\n\r\nx\r\n" + END,
        field(b"a", b"1"),
        part(FILE_HEADERS, b"x" * 5000),
        part(b"Content-Disposition: form-data", b"x") + END,
        part(b'Content-Disposition: form-data; name=""', b"x") + END,
        part(b'Content-Disposition: form-data; filename="a"', b"x") + END,
        part(b"Content-Type: text/plain", b"x") + END,
        part(b'Content-Disposition: attachment; name="a"', b"x") + END,
        part(b"\x00\xff\xfe", b"x") + END,
        part(FILE_HEADERS + b"\r\nno colon", b"x") + END,
        part(FILE_HEADERS + b"\r\nContent-Length: 2", b"x") + END,
        part(FILE_HEADERS + b"\r\nContent-Length: 1", b"xx") + END,
        b"--" + BOUNDARY + b"\r\n\r\nx\r\n" + END,
    ],
)
async def test_a_malformed_body_is_a_bad_request(files: Files, body: bytes) -> None:
    with pytest.raises(BadRequest, match="multipart body"):
        await parse(body, files)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=----WebKitFormBoundaryABC", b"----WebKitFormBoundaryABC"),
        ('multipart/form-data; boundary="a b(c)=?/:,.+_\'"', b"a b(c)=?/:,.+_'"),
        ("multipart/form-data;charset=utf-8;BOUNDARY=x ; a=b", b"x"),
        ("multipart/form-data; boundary====1==", b"===1=="),
        ('multipart/form-data; a="; boundary=no"; boundary=yes', b"yes"),
        ("multipart/form-data; boundary=x; boundary=x", b"x"),
        ("multipart/form-data; boundary=" + "x" * 70, b"x" * 70),
    ],
)
def test_the_boundary_is_found(content_type: str, boundary: bytes) -> None:
    assert multipart_boundary(content_type) == boundary


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        ";",
        "; boundary",
        "; boundary=",
        '; boundary=""',
        '; boundary="x',
        '; boundary="x "',
        '; a="; boundary=x"',
        "; boundary=x; boundary=y",
        "; boundary=" + "x" * 71,
        "; boundary=a b\x00",
        "; boundary=ä",
        "; boundary=a\r\nb",
        '; boundary="a\\"b"',
    ],
)
def test_a_missing_or_invalid_boundary_is_a_bad_request(parameters: str) -> None:
    with pytest.raises(BadRequest, match="boundary"):
        multipart_boundary("multipart/form-data" + parameters)


# Urlencoded forms


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


# Libraries


@pytest.mark.parametrize("library", ["multipart", "aiofiles.threadpool"])
async def test_a_missing_library_is_named(
    files: Files, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(RuntimeError, match=r"pip install 'micropie\[multipart\]'"):
        await parse(SAMPLE, files)


def test_no_library_is_imported_before_it_is_used() -> None:
    optional = {"multipart", "aiofiles"}
    code = f"import sys, micropie; sys.exit(bool({optional} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# What is left behind


LARGE_PARTS = [
    file(b"f", b"f", b"")[:-2],
    *[b"x" * MIB] * 3,
    b"\r\n" + file(b"g", b"g", b"y" * 2 * MIB) + END,
]


async def test_closing_deletes_all_temporary_files(spool_folder: Path) -> None:
    files = Files()
    await parse(LARGE_PARTS, files)
    assert len(names(spool_folder)) == 2
    await files["f"].read(1)
    await files.close()
    assert names(spool_folder) == []
    await files.close()


async def test_a_refused_body_leaves_no_file(files: Files) -> None:
    with pytest.raises(BadRequest):
        await parse([*LARGE_PARTS[:3], b"\r\n--" + BOUNDARY + b"bad"], files)


@pytest.mark.parametrize("steps", range(0, 40, 2))
async def test_a_parse_cancelled_anywhere_leaves_no_file(steps: int) -> None:
    files = Files()
    parsing = asyncio.create_task(parse(LARGE_PARTS, files))
    for _ in range(steps):
        await asyncio.sleep(0.0002)
    parsing.cancel()
    await asyncio.wait({parsing})
    await files.close()


async def test_a_file_made_after_the_cancellation_is_deleted(
    monkeypatch: pytest.MonkeyPatch, spool_folder: Path
) -> None:
    mkdtemp = tempfile.mkdtemp
    reached, go_on = threading.Event(), threading.Event()

    def slow_mkdtemp(**options: str) -> str:
        reached.set()
        go_on.wait(10)
        return mkdtemp(**options)

    monkeypatch.setattr(tempfile, "mkdtemp", slow_mkdtemp)
    files = Files()
    parsing = asyncio.create_task(parse(LARGE_PARTS, files))
    assert await asyncio.to_thread(reached.wait, 10)
    for _ in range(3):  # whoever cancels may do so again
        parsing.cancel()
        await asyncio.sleep(0.001)
    assert not parsing.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await parsing
    assert len(names(spool_folder)) == 1
    await files.close()


async def test_a_cancelled_close_deletes_all_files(
    monkeypatch: pytest.MonkeyPatch, spool_folder: Path
) -> None:
    unlink = os.unlink
    reached, go_on = threading.Event(), threading.Event()

    def slow_unlink(path: str) -> None:
        reached.set()
        go_on.wait(10)
        unlink(path)

    files = Files()
    await parse(LARGE_PARTS, files)
    monkeypatch.setattr(os, "unlink", slow_unlink)
    closing = asyncio.create_task(files.close())
    assert await asyncio.to_thread(reached.wait, 10)
    closing.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert names(spool_folder) == []


async def test_a_full_disk_is_an_error_that_leaves_no_file(files: Files) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            await parse(LARGE_PARTS, files)
        await files.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
