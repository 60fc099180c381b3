"""Multipart forms: what clients send, what attackers send, and the boundary between."""

import random
import subprocess
import sys
from collections.abc import Iterable

import httpx2
import pytest

from micropie._bodies.multipart import multipart_boundary
from micropie._bodies.uploads import Files
from micropie._errors import BadRequest, HTTPError
from support.forms import BOUNDARY, END, FILE_HEADERS, field, file, parse, part

pytestmark = pytest.mark.anyio


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


# What browsers and other clients send.


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


# Malformed bodies.


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


@pytest.mark.parametrize("parameter", ["; a=b", ';"', '; a="\\"'])
def test_a_content_type_of_a_megabyte_is_not_searched(parameter: str) -> None:
    parameters = parameter * (1024 * 1024 // len(parameter))
    with pytest.raises(HTTPError) as caught:
        multipart_boundary("multipart/form-data; boundary=x" + parameters)
    assert caught.value.status_code == 431


# Libraries.


@pytest.mark.parametrize("library", ["multipart", "aiofiles.threadpool"])
async def test_a_missing_library_is_named(
    files: Files, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(RuntimeError, match=r"pip install 'micropie\[multipart\]'"):
        await parse(SAMPLE, files)


def test_no_library_is_imported_before_it_is_used() -> None:
    code = "import sys, micropie; sys.exit(bool({'multipart', 'aiofiles'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
