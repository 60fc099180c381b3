"""The reader of the documentation notices what is not as the page says."""

import pytest

from support import pages

APP = """\
```{code-block} python
:caption: app.py

from micropie import App


class Site(App):
    async def index(self):
        return "one"


app = Site()
```
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read a page of this text."""

    def read_text(text):
        monkeypatch.setattr(pages, "ROOT", tmp_path)
        (tmp_path / "page.md").write_text(text)
        (tmp_path / "folder").mkdir()
        pages.read([tmp_path / "page.md"], tmp_path / "folder")

    return read_text


def console(command, printed=""):
    return f"\n```console\n$ {command}\n{printed}\n```\n"


def test_what_is_as_it_says_passes(read):
    read(APP + console("curl http://127.0.0.1:8000/", "one"))


def test_another_answer_than_is_shown_is_an_error(read):
    with pytest.raises(AssertionError, match="two"):
        read(APP + console("curl http://127.0.0.1:8000/", "two"))


def test_an_answer_that_is_not_shown_is_an_error(read):
    with pytest.raises(AssertionError, match="one"):
        read(APP + console("curl http://127.0.0.1:8000/"))


def test_dots_stand_for_anything(read):
    read(APP + console("curl http://127.0.0.1:8000/", "o...e"))
    assert not pages.matches("o...", "two")


def test_a_change_is_not_seen_by_a_server_that_does_not_reload(read):
    change = APP.replace("one", "two")
    answer = console("curl http://127.0.0.1:8000/", "two")
    with pytest.raises(AssertionError, match="one"):
        read(APP + console("uvicorn app:app") + change + answer)


def test_a_change_is_seen_by_a_server_that_reloads(read):
    change = APP.replace("one", "two")
    answer = console("curl http://127.0.0.1:8000/", "two")
    read(APP + console("uvicorn app:app --reload") + change + answer)


def test_a_python_block_that_fails_is_an_error(read):
    with pytest.raises(NameError) as raised:
        read("```python\nnot_there\n```\n")
    assert raised.value.__notes__ == ["in page.md, line 1"]


def test_a_file_that_nothing_runs_is_an_error(read):
    with pytest.raises(AssertionError, match=r"never run: app\.py"):
        read(APP)


def test_a_block_without_a_language_is_an_error(read):
    with pytest.raises(ValueError, match="line 1, column 1: no language"):
        read("```\nsomething\n```\n")


def test_a_block_that_is_neither_run_nor_checked_is_an_error(read):
    with pytest.raises(AssertionError, match="a block of cobol is neither run nor checked"):
        read("```cobol\nSTOP RUN.\n```\n")


def test_a_command_that_is_neither_run_nor_checked_is_an_error(read):
    with pytest.raises(AssertionError, match="make is neither run nor checked"):
        read("```sh\nmake coffee\n```\n")


def test_an_extra_that_does_not_exist_is_an_error(read, monkeypatch):
    monkeypatch.setattr(pages, "ROOT", pages.ROOT)
    with pytest.raises(AssertionError, match="no such extra"):
        pages.check_installable("micropie[everything]")
