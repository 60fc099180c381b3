"""Files that visitors leave."""

import re

import pytest

from support.demo import MB, browser, leave, serve_demo


def links(page):
    """Return (address, name) of the files on the page, the latest first."""
    return re.findall(r'<a href="(/file/\d+)" download>(.*?)</a>', page.text)


def test_an_uploaded_file_is_listed_and_can_be_downloaded(visitor):
    content = bytes(range(256)) * 10_000
    page = leave(visitor, "Grüße.bin", content)
    assert [past.status_code for past in page.history] == [302]
    address, name = links(page)[0]
    assert name == "Grüße.bin"
    assert "2.6 MB" in page.text
    answer = visitor.get(address)
    assert answer.content == content
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    disposition = "attachment; filename=\"Gr__e.bin\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.bin"
    assert answer.headers["Content-Disposition"] == disposition


def test_an_empty_file_is_a_file_too(visitor):
    address, _ = links(leave(visitor, "nothing.txt", b""))[0]
    answer = visitor.get(address)
    assert (answer.status_code, answer.content) == (200, b"")


def test_two_files_of_one_name_are_both_kept(visitor):
    leave(visitor, "twin.txt", b"one")
    (second, second_name), (first, first_name) = links(leave(visitor, "twin.txt", b"two"))[:2]
    assert (first_name, second_name) == ("twin.txt", "twin-1.txt")
    assert (visitor.get(first).content, visitor.get(second).content) == (b"one", b"two")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../../etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("x" * 300 + ".txt", "x" * 196 + ".txt"),
        ("<img src=x onerror=alert(1)>.html", "_img src=x onerror=alert(1)_.html"),
        ("a&b'c.txt", "a&amp;b&#39;c.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
    ],
)
def test_a_hostile_file_name_is_made_harmless(visitor, sent, kept):
    page = leave(visitor, sent)
    address, name = links(page)[0]
    assert name == kept
    answer = visitor.get(address)
    assert answer.content == b"content"
    offered = kept.replace("&amp;", "&").replace("&#39;", "'")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{offered}"'


def test_a_file_name_with_a_line_break_starts_no_header(demo):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; '
        b"filename*=utf-8''a%0D%0ASet-Cookie:%20x=y%00.txt\r\n\r\ncontent\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert demo.request("POST", "/files", body=body, headers=headers).status == 302
    page = demo.get("/files")
    address, name = links(page)[0]
    assert name == "aSet-Cookie_ x=y.txt"
    assert "Set-Cookie" not in demo.get(address).headers


def test_a_file_that_nobody_left_is_a_404(demo):
    assert demo.get("/file/999999").status == 404
    assert demo.get("/file/-1").status == 404
    assert demo.get("/file/..%2F..%2Fetc%2Fpasswd").status == 404


def test_no_file_chosen_is_said_in_the_page(demo, visitor):
    body = (  # what a browser sends for an input left empty
        b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = demo.request("POST", "/files", body=body, headers=headers)
    assert answer.status == 422
    assert "Please choose a file first." in answer.text
    assert visitor.post("/files", data={"other": "x"}).status_code == 422


def test_text_in_the_place_of_a_file_is_a_400(visitor):
    answer = visitor.post("/files", data={"file": "text"})
    assert (answer.status_code, answer.text) == (
        400,
        "400 Bad Request: 'file' must be an uploaded file",
    )


@pytest.mark.parametrize("size", [10 * MB + 1, 11 * MB])
def test_a_file_over_the_limit_is_refused_in_the_page(visitor, size):
    before = links(visitor.get("/files"))
    page = leave(visitor, "large.bin", bytes(size))
    assert page.status_code == 413
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "That file is too large." in page.text
    assert "up to 10&nbsp;MB" in page.text
    assert links(page) == before


def test_a_file_just_within_the_limit_is_kept(visitor):
    address, _ = links(leave(visitor, "large.bin", bytes(10 * MB)))[0]
    assert len(visitor.get(address).content) == 10 * MB


def test_the_oldest_file_makes_room_for_the_twenty_first(visitor):
    first, _ = links(leave(visitor, "first"))[0]
    for _ in range(19):
        page = leave(visitor, "more")
    assert links(page)[-1] == (first, "first")
    page = leave(visitor, "last")
    assert len(links(page)) == 20
    assert visitor.get(first).status_code == 404


def test_the_oldest_files_make_room_when_all_are_too_large_together(visitor):
    addresses = [links(leave(visitor, "large", bytes(9 * MB)))[0][0] for _ in range(6)]
    assert [address for address, _ in links(visitor.get("/files"))] == addresses[:0:-1]


def test_the_files_are_gone_from_disk_when_they_make_room_and_when_the_server_stops(
    tmp_path, monkeypatch
):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    with serve_demo(tmp_path) as server:
        with browser(server) as visitor:
            for number in range(22):
                leave(visitor, f"{number}.txt", bytes(2 * MB))
        (kept,) = folder.iterdir()
        assert {path.name for path in kept.iterdir()} == {f"{n}.txt" for n in range(2, 22)}
    assert list(folder.iterdir()) == []
