"""Templates: rendering, escaping, errors, and no disk once they are loaded."""

import asyncio
import builtins
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest

from micropie import App
from support.asgi import PATIENCE, Client

pytestmark = pytest.mark.anyio


class Pages(App):
    async def index(self, name="index.html"):
        return await self._render_template(name, **self.request.query_params)

    async def show(self, name):
        values = {"text": "<b>&</b>", "items": [1, 2], "self_name": self.request.path}
        return await self._render_template(name, **values)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_files(**files: str) -> Path:
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            (tmp_path / f"{stem}.{suffix}").write_text(text)
        return tmp_path

    return write_files


def client_of(folder: Path, **options: Any) -> Client:
    return Client(Pages(template_dir=folder, **options))


async def test_the_example_of_the_documentation_renders(write, monkeypatch):
    (write().joinpath("templates")).mkdir()
    write().joinpath("templates/index.html").write_text("<title>{{ title }}</title>{{ message }}\n")
    monkeypatch.chdir(write())

    class MyApp(App):
        async def index(self):
            return await self._render_template(
                "index.html", title="Welcome", message="Hello from MicroPie!"
            )

    answer = await Client(MyApp()).get("/")
    assert answer.text == "<title>Welcome</title>Hello from MicroPie!"
    assert answer.header("content-type") == "text/html; charset=utf-8"


@pytest.mark.parametrize("stem", ["a", "a.txt.d/b", "txt", "a_txt"])
@pytest.mark.parametrize("engine", ["", ".j2", ".jinja", ".jinja2", ".J2"])
@pytest.mark.parametrize("suffix", ["", ".html", ".HTM", ".xhtml", ".xml", ".svg", ".json", ".tpl"])
async def test_markup_is_escaped_whatever_the_name(tmp_path, stem, suffix, engine):
    path = tmp_path / f"{stem}{suffix}{engine}"
    path.parent.mkdir(exist_ok=True)
    path.write_text("{{ text }}")
    name = path.relative_to(tmp_path).as_posix()
    assert (
        await Pages(template_dir=tmp_path)._render_template(name, text="<b>&") == "&lt;b&gt;&amp;"
    )


async def test_markup_is_escaped_in_a_template_made_of_a_string():
    assert await Pages().env.from_string("{{ text }}").render_async(text="<b>") == "&lt;b&gt;"


@pytest.mark.parametrize("name", ["a.txt", "a.html.txt", "a.TXT", "a.txt.j2", "a.txt.jinja"])
async def test_text_is_not_escaped(tmp_path, name):
    (tmp_path / name).write_text("{{ text }}")
    assert (await client_of(tmp_path).get(f"/show/{name}")).text == "<b>&</b>"


async def test_templates_know_url_for(tmp_path):
    (tmp_path / "a.html").write_text("{{ url_for('show', 'a b', page=2) }}")
    client = client_of(tmp_path)
    assert (await client.get("/show/a.html")).text == "/show/a%20b?page=2"
    below = await client.get("/outer/show/a.html", root_path="/outer")
    assert below.text == "/outer/show/a%20b?page=2"


async def test_templates_extend_include_and_import(write):
    folder = write(
        base_html="[{% block body %}{% endblock %}]",
        page_html="{% extends 'base.html' %}{% block body %}{% include 'part.html' %}"
        "{% from 'macros.html' import twice %}{{ twice(text) }}{% endblock %}",
        part_html="part {{ text }} ",
        macros_html="{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}",
    )
    escaped = "&lt;b&gt;&amp;&lt;/b&gt;"
    assert (
        await client_of(folder).get("/show/page.html")
    ).text == f"[part {escaped} {escaped * 2}]"


async def test_templates_may_await(write):
    folder = write(a_html="{{ later() }} {% for x in many() %}{{ x }}{% endfor %}")
    app = Pages(template_dir=folder)

    async def later():
        await asyncio.sleep(0)
        return "later"

    async def many():
        yield 1
        yield 2

    assert await app._render_template("a.html", later=later, many=many) == "later 12"


async def test_name_is_a_name_for_templates_too(write):
    app = Pages(template_dir=write(a_html="{{ name }} {{ self_ }}"))
    assert await app._render_template("a.html", name="Ada", self_="x") == "Ada x"


async def test_a_template_in_a_folder_within(write):
    (write() / "mail").mkdir()
    (write() / "mail" / "a.txt").write_text("mail")
    assert await Pages(template_dir=write())._render_template("mail/a.txt") == "mail"


@pytest.mark.parametrize("name", ["../secret.html", "/etc/passwd", "..", "", "a/../../secret.html"])
async def test_no_template_lies_outside_of_the_folder(tmp_path, name):
    (tmp_path / "secret.html").write_text("secret")
    (tmp_path / "templates").mkdir()
    with pytest.raises((jinja2.TemplateNotFound, IsADirectoryError)):
        await Pages(template_dir=tmp_path / "templates")._render_template(name)


@pytest.mark.parametrize("name", ["a.html/", "a.html/.", "a.html//./", "./a.html/"])
async def test_markup_is_escaped_however_its_file_is_spelled(tmp_path, name):
    (tmp_path / "a.html").write_text("{{ text }}")
    (tmp_path / "outer.html").write_text("{% include inner %}")
    app = Pages(template_dir=tmp_path)
    assert await app._render_template(name, text="<b>") == "&lt;b&gt;"
    assert await app._render_template("outer.html", inner=name, text="<b>") == "&lt;b&gt;"


async def test_a_file_is_kept_once_however_it_is_spelled(write):
    app = Pages(template_dir=write(a_html="{{ text }}"))
    await app._render_template("a.html")
    kept = len(app.env.cache)
    for dots in range(1, 50):
        assert await app._render_template("./" * dots + "a.html", text=1) == "1"
    assert len(app.env.cache) == kept


# Errors.


async def test_a_missing_template_is_a_500_and_the_log_says_where_it_was_sought(tmp_path, logged):
    answer = await client_of(tmp_path).get("/show/none.html")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    error = logged[0].exc_info[1]
    assert isinstance(error, jinja2.TemplateNotFound)
    assert str(error) == f"template 'none.html' not found in {tmp_path}"


async def test_a_missing_folder_is_told(tmp_path, logged):
    await client_of(tmp_path / "none").get("/show/a.html")
    message = str(logged[0].exc_info[1])
    assert f"the folder {tmp_path / 'none'} does not exist" in message
    assert "App(template_dir=...)" in message


async def test_a_missing_template_may_be_added_later(tmp_path, logged):
    client = client_of(tmp_path)
    assert (await client.get("/show/a.html")).status == 500
    (tmp_path / "a.html").write_text("here now")
    assert (await client.get("/show/a.html")).text == "here now"


async def test_a_missing_include_is_named(write, logged):
    client = client_of(write(a_html="{% include 'none.html' %}"))
    for _ in range(2):
        assert (await client.get("/show/a.html")).status == 500
    assert all("none.html" in str(record.exc_info[1]) for record in logged)


async def test_an_include_may_be_missing_where_the_template_says_so(write):
    folder = write(
        a_html="a{% include 'none.html' ignore missing %}"
        "{% include ['none.html', 'b.html'] %}{% include name %}",
        b_html="b",
    )
    app = Pages(template_dir=folder)
    assert await app._render_template("a.html", name="b.html") == "abb"


async def test_a_loader_may_miss_another_template_than_the_one_asked_for(tmp_path):
    def load(name):
        raise jinja2.TemplateNotFound("shared.html")

    app = Pages(template_dir=tmp_path)
    app.env.loader = jinja2.FunctionLoader(load)
    with pytest.raises(jinja2.TemplateNotFound, match=r"^shared\.html$"):
        await app._render_template("a.html")


async def test_an_error_in_a_template_is_a_500(write, logged):
    folder = write(
        syntax_html="{% if %}", value_html="{{ 1 / 0 }}", part_html="{% include 'syntax.html' %}"
    )
    client = client_of(folder, debug=True)
    for name in ("syntax", "value", "part"):
        answer = await client.get(f"/show/{name}.html")
        assert answer.status == 500
        assert f"{'syntax' if name == 'part' else name}.html" in answer.text
    assert len(logged) == 3


async def test_without_jinja2_the_error_says_what_to_install(tmp_path, monkeypatch, logged):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    client = client_of(tmp_path)
    assert client.app.env is None
    assert (await client.get("/show/a.html")).status == 500
    error = logged[0].exc_info[1]
    assert isinstance(error, RuntimeError)
    assert "pip install 'micropie[templates]'" in str(error)


# The environment.


async def test_the_environment_can_be_extended(write):
    app = Pages(template_dir=write(a_html="{{ site }} {{ 'x' | shout }}"))
    assert app.env is not None
    assert app.env is app.env
    app.env.globals["site"] = "Shop"
    app.env.filters["shout"] = lambda text: text.upper() + "!"
    assert await app._render_template("a.html") == "Shop X!"


@pytest.mark.parametrize(
    "loader",
    [
        jinja2.DictLoader({"a.html": "{% include 'b.html' %}", "b.html": "{{ text }}"}),
        jinja2.FunctionLoader({"a.html": "{{ text }}"}.get),
        jinja2.PrefixLoader({"a.html": jinja2.DictLoader({})}),
    ],
    ids=["dict", "function", "prefix"],
)
async def test_the_environment_may_load_from_elsewhere(loader, tmp_path):
    app = Pages(template_dir=tmp_path)
    app.env.loader = loader
    if isinstance(loader, jinja2.PrefixLoader):
        loader.mapping["p"] = jinja2.DictLoader({"a.html": "{{ text }}"})
        assert await app._render_template("p/a.html", text="<") == "&lt;"
    else:
        assert await app._render_template("a.html", text="<") == "&lt;"


async def test_compiled_templates_are_rendered_without_their_sources(write, tmp_path):
    source = Pages(template_dir=write(a_html="{{ text }}"))
    compiled = tmp_path / "compiled"
    source.env.compile_templates(compiled, zip=None)
    app = Pages(template_dir=tmp_path / "none")
    app.env.loader = jinja2.ModuleLoader(compiled)
    assert await app._render_template("a.html", text="<") == "&lt;"


# Disk and event loop.


class CountingLoader(jinja2.FileSystemLoader):
    """Notes in which thread it is asked for what."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: list[tuple[str, bool]] = []

    def get_source(self, environment, template):
        on_event_loop = threading.current_thread() is threading.main_thread()
        self.asked.append((template, on_event_loop))
        return super().get_source(environment, template)


FAMILY = {
    "page_html": "{% extends 'base.html' %}{% block b %}{% include 'part.html' %}{% endblock %}",
    "base_html": "[{% block b %}{% endblock %}]",
    "part_html": "{% import 'm.html' as m %}{{ m.f() }}",
    "m_html": "{% macro f() %}{% include 'leaf.html' %}{% endmacro %}",
    "leaf_html": "leaf",
}


async def test_templates_are_read_off_the_event_loop_and_once_loaded_not_at_all(write):
    app = Pages(template_dir=write(**FAMILY))
    loader = app.env.loader = CountingLoader(write())
    assert await app._render_template("page.html") == "[leaf]"
    assert {name for name, _ in loader.asked} == {
        *("page.html", "base.html", "part.html", "m.html", "leaf.html")
    }
    assert not any(on_event_loop for _, on_event_loop in loader.asked)
    loader.asked.clear()
    assert await app._render_template("page.html") == "[leaf]"
    assert await app._render_template("part.html") == "leaf"
    assert loader.asked == []


async def test_a_loaded_template_does_not_touch_the_disk(write, monkeypatch):
    app = Pages(template_dir=write(**FAMILY))
    await app._render_template("page.html")
    shutil.rmtree(write())

    def no_disk(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"touched the disk: {args}")

    for module, name in [(builtins, "open"), (os, "stat"), (os.path, "getmtime"), (os, "open")]:
        monkeypatch.setattr(module, name, no_disk)
    rendered = await app._render_template("page.html")
    monkeypatch.undo()
    assert rendered == "[leaf]"


async def test_many_templates_all_stay_loaded(tmp_path):
    app = Pages(template_dir=tmp_path)
    names = [f"{n}.html" for n in range(450)]  # Jinja's own cache would hold 400
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / "page.html").write_text("{% include '0.html' %}")
    for name in ["page.html", *names]:
        await app._render_template(name)
    shutil.rmtree(tmp_path)
    for name in names:
        assert await app._render_template(name) == name
    assert await app._render_template("page.html") == "0.html"


async def test_templates_that_refer_to_each_other_load(write):
    folder = write(
        a_html="a{% if n %}{% set n = n - 1 %}{% include 'b.html' %}{% endif %}",
        b_html="b{% include 'a.html' %}",
    )
    assert await Pages(template_dir=folder)._render_template("a.html", n=2) == "ababa"


async def test_many_first_renderings_at_once(write):
    app = Pages(template_dir=write(**FAMILY))
    renderings = (app._render_template("page.html") for _ in range(30))
    assert set(await asyncio.gather(*renderings)) == {"[leaf]"}


async def test_the_event_loop_is_free_while_a_template_loads(write):
    app = Pages(template_dir=write(a_html="a"))
    reading, go = threading.Event(), threading.Event()

    class SlowLoader(jinja2.FileSystemLoader):
        def get_source(self, environment, template):
            reading.set()
            assert go.wait(PATIENCE)
            return super().get_source(environment, template)

    app.env.loader = SlowLoader(write())
    rendering = asyncio.create_task(app._render_template("a.html"))
    assert await asyncio.to_thread(reading.wait, PATIENCE)
    assert not rendering.done()  # and this line ran
    go.set()
    assert await rendering == "a"


def change(path: Path, text: str) -> None:
    """Write *text*, with a time stamp that is sure to be another."""
    path.write_text(text)
    later = path.stat().st_mtime + 10
    os.utime(path, (later, later))


async def test_a_changed_template_stays_as_it_was_loaded(write):
    client = client_of(write(a_html="old"))
    assert (await client.get("/show/a.html")).text == "old"
    change(write() / "a.html", "new")
    assert (await client.get("/show/a.html")).text == "old"


async def test_in_debug_a_changed_template_is_loaded_anew(write):
    folder = write(a_html="old {% include 'b.html' %}", b_html="old")
    client = client_of(folder, debug=True)
    assert (await client.get("/show/a.html")).text == "old old"
    change(folder / "b.html", "new")
    assert (await client.get("/show/a.html")).text == "old new"
    change(folder / "a.html", "new {% include 'b.html' %} {% include 'c.html' %}")
    (folder / "c.html").write_text("c")
    assert (await client.get("/show/a.html")).text == "new new c"


# Where nothing can be awaited, templates are compiled without `await`.


async def later(value="later"):
    await asyncio.sleep(0)
    return value


async def counted():
    for number in range(3):
        await asyncio.sleep(0)
        yield number


class Row:
    async def name(self):
        return await later("row")

    @property
    def owner(self):
        return later("owner")


LOOP = "{% for one in items %}{{ loop.__class__.__name__ }} {{ one.name }},{% endfor %}"


async def test_a_template_of_data_alone_is_rendered_without_await(write):
    write(base_html="[{% block body %}{% endblock %}]", part_html=LOOP)
    page = "{% extends 'base.html' %}{% block body %}{% include 'part.html' %}{% endblock %}"
    app = Pages(template_dir=write(page_html=page))
    for name, items in {"a": [{"name": "a"}], "b": ({"name": "b"},)}.items():
        html = await app._render_template("page.html", items=items)
        assert html == f"[LoopContext {name},]"


@pytest.mark.parametrize(
    "context",
    [
        {"items": [{"name": later}]},
        {"items": [{"name": "a"}], "other": Row()},
        {"items": [{"name": {"deep": [later]}}]},
        {"items": [{"name": "a"}] * 20_000},
    ],
    ids=["function", "object", "deep inside", "very much"],
)
async def test_a_template_of_anything_else_may_await(write, context):
    app = Pages(template_dir=write(page_html=LOOP))
    assert "Async" not in await app._render_template("page.html", items=[{"name": "a"}])
    assert "AsyncLoopContext" in await app._render_template("page.html", **context)


@pytest.mark.parametrize(
    ("body", "context", "html"),
    [
        ("{{ call() }}", {"call": later}, "later"),
        ("{{ row.name() }} {{ row.owner }}", {"row": Row()}, "row owner"),
        ("{{ rows[0].name() }}", {"rows": [Row()]}, "row"),
        ("{% for n in numbers %}{{ n }}{% endfor %}", {"numbers": counted}, None),
        ("{% for n in numbers() %}{{ n }}{% endfor %}", {"numbers": counted}, "012"),
        ("{{ value.key() }}", {"value": {"key": later}}, "later"),
    ],
)
async def test_what_a_context_holds_is_awaited_after_data_as_before_it(write, body, context, html):
    app = Pages(template_dir=write(page_html=body))
    for values in ({}, context, {}, context):
        try:
            rendered = await app._render_template("page.html", **values)
        except (jinja2.UndefinedError, TypeError):
            rendered = None
        if values:
            assert rendered == html


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("{{ 'x'|late }}", "x"),
        ("{{ ['x', 'y']|map('late')|join }}", "xy"),
        ("{% filter late %}x{% endfilter %}", "x"),
        ("{{ now('x') }}", "x"),
        ("{% if 'x' is late %}x{% endif %}", "x"),
        ("{% include 'part.html' %}", "part"),
        ("{% include name %}", "part"),
        ("{% extends 'base.html' %}", "part"),
        ("{% from 'macros.html' import say %}{{ say() }}", "part"),
        ("{{ url_for('index') }}", "/late"),
    ],
)
async def test_what_a_template_calls_by_itself_is_awaited(write, body, html):
    write(
        part_html="{{ now('part') }}", base_html="{% block body %}{{ now('part') }}{% endblock %}"
    )
    write(macros_html="{% macro say() %}{{ now('part') }}{% endmacro %}")

    class Late(Pages):
        async def _url_for(self, name):
            return await later("/late")

    app = Late(template_dir=write(page_html=body))
    app.env.globals["now"] = later
    if "late " in body or "late'" in body or "|late" in body:
        app.env.filters["late"] = app.env.tests["late"] = later
    for _ in range(3):
        assert await app._render_template("page.html", name="part.html") == html


async def test_a_cache_of_bytecode_is_for_templates_that_await(write, tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    for _ in range(2):
        app = Pages(template_dir=write(page_html=LOOP))
        app.env.bytecode_cache = jinja2.FileSystemBytecodeCache(str(folder))
        assert await app._render_template("page.html", items=[{"name": 1}]) == "LoopContext 1,"
        assert "Async" in await app._render_template("page.html", items=[{"name": later}])
