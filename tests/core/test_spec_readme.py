"""The GET examples of the README that MicroPie was specified in run as written there."""

from contextlib import contextmanager

import pytest

from support.servers import serve

GREETINGS = """\
from MicroPie import App

class MyApp(App):

    async def greet(self, name="Guest"):
        return f"Hello, {name}!"

    async def hello(self):
        name = self.request.query_params.get("name", None)[0]
        return f"Hello {name}!"

app = MyApp()
"""


@contextmanager
def _served(folder, source):
    (folder / "app.py").write_text(source)
    with serve("uvicorn", "app:app", folder) as server:
        yield server


@pytest.fixture(scope="module")
def greetings(tmp_path_factory):
    with _served(tmp_path_factory.mktemp("greetings"), GREETINGS) as server:
        yield server


def test_spec_first_app(tmp_path):
    source = """\
from MicroPie import App

class MyApp(App):
    async def index(self):
        return "Welcome to MicroPie ASGI."

app = MyApp()
"""
    with _served(tmp_path, source) as server:
        assert server.get("/").text == "Welcome to MicroPie ASGI."


def test_spec_greet_by_path(greetings):
    assert greetings.get("/greet/Alice").text == "Hello, Alice!"


def test_spec_greet_by_query(greetings):
    assert greetings.get("/greet?name=Alice").text == "Hello, Alice!"


def test_spec_greet_by_default(greetings):
    assert greetings.get("/greet").text == "Hello, Guest!"


def test_spec_hello_by_path_is_a_500(greetings):
    answer = greetings.get("/hello/Alice")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")


def test_spec_hello_by_query(greetings):
    assert greetings.get("/hello?name=Alice").text == "Hello Alice!"


def test_spec_stream(tmp_path):
    source = """\
from MicroPie import App

class MyApp(App):
    async def stream(self):
        async def generator():
            for i in range(1, 6):
                yield f"Chunk {i}\\n"
        return generator()

app = MyApp()
"""
    with _served(tmp_path, source) as server:
        answer = server.get("/stream")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.text == "Chunk 1\nChunk 2\nChunk 3\nChunk 4\nChunk 5\n"


def test_spec_middleware(tmp_path):
    source = """\
from MicroPie import App, HttpMiddleware

class MiddlewareExample(HttpMiddleware):
    async def before_request(self, request):
        print("Hook before request")

    async def after_request(self, request, status_code, response_body, extra_headers):
        print("Hook after request")


class Root(App):
    async def index(self):
        return "Hello, World!"

app = Root()
app.middlewares.append(MiddlewareExample())
"""
    with _served(tmp_path, source) as server:
        assert server.get("/").text == "Hello, World!"
        printed = [line for line in server.log().splitlines() if line.startswith("Hook")]
    assert printed == ["Hook before request", "Hook after request"]


def test_spec_template(tmp_path):
    source = """\
from MicroPie import App

class MyApp(App):
    async def index(self):
        return await self._render_template(
            "index.html", title="Welcome", message="Hello from MicroPie!"
        )

app = MyApp()
"""
    template = """\
<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="UTF-8">
    <title>{{ title }}</title>
</head>
<body>
    <h1>{{ message }}</h1>
</body>
</html>
"""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "index.html").write_text(template)
    with _served(tmp_path, source) as server:
        answer = server.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<title>Welcome</title>" in answer.text
    assert "<h1>Hello from MicroPie!</h1>" in answer.text
