"""Files as arguments."""

import pytest

from support.asgi import Client
from support.binding import SECRET, Handlers, missing, refused, send_form, send_json, send_parts
from support.bodies import file_part, text_part

pytestmark = pytest.mark.anyio


async def test_a_file_is_bound_by_its_name():
    answer = await send_parts(Handlers(), "/file", file_part("file", "a.txt", "content"))
    assert answer.json == ["a.txt", "content"]


async def test_of_several_files_a_single_parameter_takes_the_first():
    parts = [file_part("file", "a.txt", "1"), file_part("file", "b.txt", "2")]
    assert (await send_parts(Handlers(), "/file", *parts)).json == ["a.txt", "1"]
    assert (await send_parts(Handlers(), "/plain_file", *parts)).json == ["a.txt"]


async def test_a_list_of_files_takes_all_of_its_name():
    parts = [
        file_part("files", "a", "1"),
        file_part("other", "b", "2"),
        file_part("files", "c", "3"),
    ]
    assert (await send_parts(Handlers(), "/files", *parts)).json == ["a", "c"]
    assert (await send_parts(Handlers(), "/files", file_part("files", "a", "1"))).json == ["a"]


@pytest.mark.parametrize("url", ["/file", "/files"])
async def test_a_missing_file_is_a_400(url):
    expected = (400, missing(url.strip("/")))
    other = file_part("other", "a.txt", "content")
    for answer in (
        await send_parts(Handlers(), url, other),
        await send_form(Handlers(), url, "other=x"),
        await send_json(Handlers(), url, {}),
        await send_json(Handlers(), url, [1]),
        await Client(Handlers()).post(url),
        # A file can't come in the URL.
        await Client(Handlers()).post(f"{url}/x?{url.strip('/')}=x"),
    ):
        assert (answer.status, answer.text) == expected


async def test_a_file_input_left_empty_is_a_missing_file():
    empty = file_part("file", "", "")
    assert (await send_parts(Handlers(), "/file", empty)).text == missing("file")
    assert (await send_parts(Handlers(), "/optional_file", empty)).text == "no file"


async def test_files_may_be_optional():
    app = Handlers()
    file = file_part("file", "a", "1")
    files = file_part("files", "a", "1") + file_part("files", "b", "2")
    assert (await send_parts(app, "/optional_file", file)).text == "a"
    assert (await send_parts(app, "/optional_files", files)).json == ["a", "b"]
    for answer in (
        await Client(app).post("/optional_file"),
        await send_form(app, "/optional_file", "x=1"),
    ):
        assert answer.text == "no file"
    assert (await Client(app).post("/optional_files")).json == []


@pytest.mark.parametrize("url", ["/file", "/files", "/optional_file", "/optional_files"])
async def test_text_where_a_file_is_wanted_is_a_400(url):
    name = url.rpartition("_")[2].strip("/")
    for answer in (
        await send_parts(Handlers(), url, text_part(name, SECRET)),
        await send_form(Handlers(), url, f"{name}={SECRET}"),
        await send_json(Handlers(), url, {name: SECRET}),
    ):
        assert (answer.status, answer.text) == refused(f"'{name}' must be an uploaded file")


async def test_a_file_where_text_is_wanted_is_a_missing_parameter():
    answer = await send_parts(Handlers(), "/number", file_part("number", "a.txt", "5"))
    assert (answer.status, answer.text) == (400, missing("number"))


async def test_without_an_annotation_a_parameter_takes_text_or_a_file():
    app = Handlers()
    assert (await send_parts(app, "/plain_file", text_part("file", "text"))).text == "text"
    assert (await send_parts(app, "/plain_file", file_part("file", "a", "x"))).json == ["a"]
    both = [file_part("file", "a", "x"), text_part("file", "text")]
    assert (await send_parts(app, "/plain_file", *both)).text == "text"


async def test_files_take_no_path_segment_away_from_others():
    parts = [text_part("text", "t"), file_part("file", "a", "x"), text_part("number", "5")]
    answer = await send_parts(Handlers(), "/text_and_file/seg", *parts)
    assert answer.json == ["seg", "t", "a", 5]
