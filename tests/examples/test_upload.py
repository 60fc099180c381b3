"""Files can be uploaded and downloaded, and a browser sees how far it is."""

import asyncio
import runpy

import pytest

from support.asgi import Client
from support.examples import EXAMPLES, loaded, phone, served, visiting

app = loaded("upload")
server = served("upload")


@pytest.fixture
def visitor(app):
    with visiting(app) as visitor:
        yield visitor


def test_a_file_comes_back_as_a_download(visitor):
    page = visitor.post("/upload", files={"file": ("pie <1>.html", b"<script>")})
    assert page.status_code == 200
    assert "pie _1_.html" in page.text
    answer = visitor.get("/file/pie _1_.html")
    assert answer.content == b"<script>"
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_no_upload_is_a_script_of_the_site(visitor):
    visitor.post("/upload", files={"file": ("evil.js", b"alert(1)", "text/javascript")})
    headers = visitor.get("/file/evil.js").headers
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_nothing_leaves_the_folder(visitor):
    visitor.post("/upload", files={"file": ("../../evil.txt", b"x")})
    assert visitor.get("/file/evil.txt").content == b"x"
    assert visitor.get("/file/..%2Fapp.py").status_code == 404


@pytest.mark.parametrize("full", ["files", "bytes"])
@pytest.mark.anyio
async def test_there_is_an_end_to_uploads_however_small(tmp_path, monkeypatch, full):
    monkeypatch.chdir(tmp_path)
    example = runpy.run_path(str(EXAMPLES / "upload" / "app.py"))
    folder = tmp_path / "uploads"
    folder.mkdir()
    for number in range(example["MAX_FILES"] - 3 if full == "files" else 0):
        (folder / str(number)).touch()
    if full == "bytes":
        with (folder / "large").open("wb") as file:
            file.truncate(example["MAX_TOTAL"] - 3 * 4096)  # sparse
    body = b'--B\r\nContent-Disposition: form-data; name="file"; filename="e"\r\n\r\n\r\n--B--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=B", "Content-Length": str(len(body))}
    client = Client(example["app"])
    answers = await asyncio.gather(
        *(client.post("/upload", headers=headers, body=body) for _ in range(5))
    )
    assert sorted(answer.status for answer in answers) == [303, 303, 303, 507, 507]


def test_no_file_is_a_400_and_one_too_large_a_413(server, visitor):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n'
    assert visitor.post("/upload", content=form, headers=headers).status_code == 400
    # It is refused by its announced length, before any of it is sent.
    headers["Content-Length"] = "200000000"
    assert server.request("POST", "/upload", headers=headers).status == 413


def test_a_browser_shows_the_progress(server, tmp_path):
    (tmp_path / "cake.bin").write_bytes(bytes(5_000_000))
    with phone() as open_page:
        page = open_page(server.url)
        page.evaluate(
            "window.seen = []; new MutationObserver(() => sessionStorage.state = state.textContent)"
            ".observe(state, {childList: true})"
        )
        page.set_input_files("#file", tmp_path / "cake.bin")
        page.click("button")
        page.get_by_role("link", name="cake.bin").wait_for()
        assert page.evaluate("sessionStorage.state") == "100 %"
        assert page.get_by_text("4.8 MiB").count() == 1
