"""Test clients: requests, what goes wrong in them, and when they are given up."""

import asyncio
import subprocess
import sys
import threading

import httpx2
import pytest

from micropie import App
from micropie.testing import AsyncTestClient, TestClient

pytestmark = pytest.mark.anyio


def test_a_request_is_answered(site):
    with TestClient(site) as client:
        assert client.get("/").text == "Hello"
        assert client.get("/thread").text == "from a thread"
        assert client.get("/nowhere").status_code == 404
        assert client.head("/").headers["content-length"] == "5"
        assert client.head("/").content == b""


async def test_a_request_is_answered_in_the_event_loop_of_the_test(site):
    async with AsyncTestClient(site) as client:
        assert (await client.get("/")).text == "Hello"
        assert (await client.get("/thread")).text == "from a thread"
        assert (await client.get("/nowhere")).status_code == 404


def test_an_app_sees_the_url_that_was_asked_for(site):
    with TestClient(site, base_url="https://shop.example") as client:
        assert client.get("/scope?a=%20b").json() == {
            "scheme": "https",
            "path": "/scope",
            "query_string": "b'a=%20b'",
        }


def test_cookies_are_kept_by_each_client_for_itself(site):
    with TestClient(site) as ada, TestClient(site) as bob:
        assert [ada.get("/visits").json()["visits"] for _ in range(3)] == [1, 2, 3]
        assert bob.get("/visits").json() == {"visits": 1}
        ada.get("/leave")
        assert ada.get("/visits").json() == {"visits": 1}


def test_redirects_are_followed_when_the_client_is_told_to(site):
    with TestClient(site) as client:
        assert client.get("/elsewhere").status_code == 302
        assert client.get("/elsewhere", follow_redirects=True).text == "Hello"


@pytest.mark.parametrize(
    "body", [{"content": b"x" * 300_000}, {"json": {"a": 1}}, {"data": {"a": "1"}}, {}]
)
def test_a_body_arrives_whole(site, body):
    size = len(httpx2.Request("POST", "http://test", **body).read())
    with TestClient(site) as client:
        assert client.post("/echo", **body).json() == {"method": "POST", "bytes": size}


def test_files_are_uploaded(site):
    with TestClient(site) as client:
        answer = client.post(
            "/form", data={"name": "Ada"}, files={"file": ("pie.txt", b"apple", "text/plain")}
        )
    assert answer.json() == {"name": "Ada", "filename": "pie.txt", "text": "apple"}


async def test_files_are_uploaded_asynchronously(site):
    async with AsyncTestClient(site) as client:
        answer = await client.post("/form", data={"name": "Ada"}, files={"file": ("a", b"apple")})
    assert answer.json() == {"name": "Ada", "filename": "a", "text": "apple"}


def test_a_generator_may_wait_for_what_the_app_does_with_its_first_chunk():
    received = threading.Event()

    class Slow(App):
        async def index(self):
            size = 0
            async for chunk in self.request.stream():
                size += len(chunk)
                asyncio.get_running_loop().call_later(0.01, received.set)
            return size

    def chunks():
        yield b"first"
        assert received.wait(20)
        yield b"second"

    with TestClient(Slow()) as client:
        assert client.post("/", content=chunks()).json() == len("firstsecond")


async def test_an_asynchronous_generator_is_a_body(site):
    async def chunks():
        yield b"first"
        yield b"second"

    async with AsyncTestClient(site) as client:
        assert (await client.put("/echo", content=chunks())).json()["bytes"] == len("firstsecond")


def test_an_error_of_the_test_s_own_generator_is_raised(site):
    def chunks():
        yield b"first"
        raise LookupError("no more")

    with TestClient(site) as client, pytest.raises(LookupError, match="no more"):
        client.post("/echo", content=chunks())


# What a handler raises.


@pytest.mark.parametrize("path", ["/broken", "/broken_thread"])
def test_what_a_handler_raises_is_raised_in_the_test(site, logged, path):
    with TestClient(site) as client:
        with pytest.raises(ValueError, match="a mistake") as caught:
            client.get(path)
        assert caught.traceback[-1].name == path[1:]  # the handler is in the traceback
        assert client.get("/").text == "Hello"


async def test_what_a_handler_raises_is_raised_in_an_asynchronous_test(site, logged):
    async with AsyncTestClient(site) as client:
        with pytest.raises(ValueError, match="a mistake"):
            await client.get("/broken")
        assert (await client.get("/")).text == "Hello"


def test_an_answer_that_can_not_be_sent_is_raised(site, logged):
    with TestClient(site) as client, pytest.raises(Exception, match="object") as caught:
        client.get("/unsendable")
    assert type(caught.value).__name__ == "ResponseError"


def test_a_client_may_want_the_500_instead(site, logged):
    with TestClient(site, raise_app_exceptions=False) as client:
        assert client.get("/broken").status_code == 500
        assert client.get("/broken").text == "500 Internal Server Error"


def test_an_error_that_was_meant_is_an_answer(site):
    with TestClient(site) as client:
        assert client.get("/refused").status_code == 403
        assert client.get("/answered").status_code == 418
        assert client.get("/form").status_code == 400


def test_an_error_in_a_mounted_app_is_raised(site, logged):
    outer = App()
    outer.mount("/below", site)
    with TestClient(outer) as client:
        assert client.get("/below/").text == "Hello"
        with pytest.raises(ValueError, match="a mistake"):
            client.get("/below/broken")


def test_an_error_in_a_hook_is_raised(site, logged):
    class Faulty(type(site.middlewares[0])):
        async def after_request(self, request, status_code, response_body, extra_headers):
            raise ZeroDivisionError

    site.middlewares.append(Faulty())
    with TestClient(site) as client, pytest.raises(ZeroDivisionError):
        client.get("/")


# What takes too long.


@pytest.mark.parametrize("path", ["/hangs", "/hangs_in_a_thread"])
def test_a_handler_that_hangs_is_given_up(site, path):
    with TestClient(site) as client:
        with pytest.raises(httpx2.ReadTimeout, match=r"nothing for 0\.05 seconds"):
            client.get(path, timeout=0.05)
        assert client.get("/").text == "Hello"
        site.closed.set()


async def test_a_handler_that_hangs_is_given_up_asynchronously(site):
    async with AsyncTestClient(site) as client:
        with pytest.raises(TimeoutError):
            await client.get("/hangs", timeout=0.05)


def test_a_handler_that_blocks_the_event_loop_is_given_up():
    end = threading.Event()

    class Blocking(App):
        async def index(self):
            end.wait(20)

    client = TestClient(Blocking())
    with pytest.raises(httpx2.ReadTimeout, match="blocked its event loop"):
        client.get("/", timeout=0.05)
    end.set()
    client.close()


def test_a_time_out_is_for_silence_and_not_for_a_long_upload(site):
    def chunks():
        for _ in range(9):
            yield b"x"
            threading.Event().wait(0.25)

    with TestClient(site, timeout=2) as client:
        assert client.post("/echo", content=chunks()).json()["bytes"] == 9


# What comes after the response.


class Later(App):
    def __init__(self):
        super().__init__()
        self.sent = []

    async def index(self):
        self._after_response(self._send, "thanks")
        return "Hello"

    async def _send(self, text):
        await asyncio.sleep(0.01)
        self.sent.append(text)

    async def broken(self):
        self._after_response(self._fail)
        return "Hello"

    async def _fail(self):
        raise ValueError("a mistake after the response")

    async def slow(self):
        self._after_response(asyncio.sleep, 3600)
        return "Hello"


def test_what_comes_after_a_response_has_come_when_the_test_has_it():
    app = Later()
    with TestClient(app) as client:
        assert client.get("/").text == "Hello"
        assert app.sent == ["thanks"]


def test_an_error_after_the_response_is_raised(logged):
    with TestClient(Later()) as client, pytest.raises(ValueError, match="after the response"):
        client.get("/broken")


def test_what_takes_too_long_after_a_response_is_left_alone(monkeypatch, logged):
    monkeypatch.setattr("micropie._serving.afterwards._STOP_WAITS", 0)
    with TestClient(Later(), timeout=1) as client:
        assert client.get("/slow").text == "Hello"
        assert client.get("/").text == "Hello"


# Any ASGI app.


async def asgi(scope, receive, send):
    """Answer a request, and raise on one for /broken; know nothing of lifespans."""
    assert scope["type"] == "http"
    if scope["path"] == "/broken":
        raise OSError("a mistake")
    if scope["path"] == "/silent":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] != "/short":
        await send({"type": "http.response.body", "body": b"bare"})


@pytest.mark.parametrize("raises", [True, False])
def test_an_app_need_not_be_an_app_of_micropie(logged, raises):
    with TestClient(asgi, raise_app_exceptions=raises) as client:
        assert client.get("/").text == "bare"
        with pytest.raises(RuntimeError, match="without a response"):
            client.get("/silent")
        with pytest.raises(httpx2.RemoteProtocolError):
            client.get("/short")
        if raises:
            with pytest.raises(OSError, match="a mistake"):
                client.get("/broken")
        else:
            assert client.get("/broken").status_code == 500


def test_the_module_imports_nothing_until_it_must():
    code = (
        "import sys, micropie.testing\n"
        "print({'httpx2', 'pytest'} & set(sys.modules))\n"
        "from micropie.testing import TestClient\n"
        "print({'httpx2', 'pytest'} & set(sys.modules))\n"
        "try: micropie.testing.NoSuchThing\n"
        "except AttributeError as error: print(error)"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    missing = "module 'micropie.testing' has no attribute 'NoSuchThing'"
    assert printed.splitlines() == ["set()", "{'httpx2'}", missing]


@pytest.mark.parametrize(
    ("name", "needs", "install"),
    [
        ("TestClient", "httpx2", "'micropie[testing]'"),
        ("AsyncTestClient", "httpx2", "'micropie[testing]'"),
        ("SessionBackendContract", "pytest", "'pytest'"),
    ],
)
def test_what_is_missing_is_named_with_its_installation(name, needs, install):
    code = f"import sys; sys.modules[{needs!r}] = None\nfrom micropie.testing import {name}"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    message = f"ModuleNotFoundError: micropie.testing.{name} needs {needs}: pip install {install}"
    assert done.stderr.splitlines()[-1] == message


def test_clients_are_no_classes_of_tests():
    assert TestClient.__test__ is AsyncTestClient.__test__ is False
