"""HTTPError, exceptions, and what of them the client and the log get to see."""

import asyncio
import logging
import signal
import traceback
from itertools import count

import pytest

from micropie import App, HTTPError
from support.asgi import Client

pytestmark = pytest.mark.anyio

PLAIN = "text/plain; charset=utf-8"


class Failing(App):
    """Raises one error from handlers of every kind."""

    def __init__(self, error: BaseException, **options: bool) -> None:
        super().__init__(**options)
        self.error = error

    async def index(self):
        raise self.error

    async def with_argument(self, name):
        raise self.error

    def sync(self):
        raise self.error

    async def stream(self):
        raise self.error
        yield "never"

    def sync_stream(self):
        raise self.error
        yield "never"

    async def returned_stream(self):
        return self.stream()

    async def returned_sync_stream(self):
        return self.sync_stream()

    async def deep(self):
        await self._helper()

    async def _helper(self):
        raise self.error


HANDLERS = {
    "index": "/",
    "with_argument": "/with_argument/x",
    "sync": "/sync",
    "stream": "/stream",
    "sync_stream": "/sync_stream",
    "returned_stream": "/returned_stream",
    "returned_sync_stream": "/returned_sync_stream",
    "deep": "/deep",
}


# HTTPError.


@pytest.mark.parametrize("url", HANDLERS.values(), ids=HANDLERS)
async def test_an_http_error_of_a_task_group_answers(url):
    error = ExceptionGroup("", [ExceptionGroup("", [HTTPError(404, "no pie")]), HTTPError(403)])
    answer = await Client(Failing(error)).get(url)
    assert (answer.status, answer.text) == (404, "no pie")


async def test_an_error_beside_an_http_error_in_a_group_is_a_500(logged):
    error = ExceptionGroup("", [HTTPError(404), ValueError("secret")])
    answer = await Client(Failing(error)).get("/")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1


@pytest.mark.parametrize("url", HANDLERS.values(), ids=HANDLERS)
async def test_an_http_error_answers_from_anywhere(url):
    error = HTTPError(418, {"short": "stout"}, {"X-Pot": "tea"})
    answer = await Client(Failing(error)).get(url)
    assert (answer.status, answer.json, answer.complete) == (418, {"short": "stout"}, True)
    assert answer.header("x-pot") == "tea"
    assert answer.header("content-length") == str(len(answer.body))


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "400 Bad Request"),
        (404, "404 Not Found"),
        (405, "405 Method Not Allowed"),
        (500, "500 Internal Server Error"),
        (503, "503 Service Unavailable"),
        (200, "200 OK"),
        (299, "299"),
        (599, "599"),
    ],
)
async def test_an_http_error_without_a_body_says_its_name(status, text):
    answer = await Client(Failing(HTTPError(status))).get("/")
    assert (answer.status, answer.text) == (status, text)
    assert answer.header("content-type") == PLAIN


@pytest.mark.parametrize(
    ("body", "sent", "content_type"),
    [
        ("<b>no</b>", "<b>no</b>", "text/html; charset=utf-8"),
        (b"bytes", "bytes", "text/html; charset=utf-8"),
        ("", "", "text/html; charset=utf-8"),
        ([1], "[1]", "application/json"),
        (0, "0", "application/json"),
    ],
)
async def test_the_body_of_an_http_error_is_like_a_handlers(body, sent, content_type):
    answer = await Client(Failing(HTTPError(400, body))).get("/")
    assert (answer.text, answer.header("content-type")) == (sent, content_type)


@pytest.mark.parametrize("headers", [{"Content-Type": "text/x"}, [("content-type", "text/x")]])
async def test_an_http_error_may_have_a_content_type_of_its_own(headers):
    answer = await Client(Failing(HTTPError(400, headers=headers))).get("/")
    assert (answer.header("content-type"), answer.text) == ("text/x", "400 Bad Request")


async def test_an_http_error_of_204_has_no_body():
    answer = await Client(Failing(HTTPError(204))).get("/")
    assert (answer.status, answer.body, answer.header("content-length")) == (204, b"", None)


async def test_an_http_error_may_answer_with_a_stream():
    async def chunks():
        yield "a"
        yield "b"

    answer = await Client(Failing(HTTPError(400, chunks()))).get("/")
    assert (answer.status, answer.chunks) == (400, [b"a", b"b"])


async def test_head_of_an_http_error_has_no_body():
    answer = await Client(Failing(HTTPError(404))).head("/")
    assert (answer.status, answer.body, answer.header("content-length")) == (404, b"", "13")


def test_an_http_error_reads_as_what_it_answers():
    assert str(HTTPError(404)) == "404 Not Found"
    assert str(HTTPError(404, "no such page")) == "no such page"
    assert str(HTTPError(299)) == "299"
    error = HTTPError(400, "x", {"A": "b"})
    assert (error.status_code, error.body, error.headers) == (400, "x", {"A": "b"})


async def test_a_subclass_of_http_error_is_one():
    class Teapot(HTTPError):
        def __init__(self):
            super().__init__(418, "teapot")

    assert (await Client(Failing(Teapot())).get("/sync")).status == 418


UNSENDABLE = [
    HTTPError(99),
    HTTPError(600),
    HTTPError("404"),  # type: ignore[arg-type]
    HTTPError("not a number"),  # type: ignore[arg-type]
    HTTPError(None),  # type: ignore[arg-type]
    HTTPError(400, object()),
    HTTPError(400, {"a": object()}),
    HTTPError(400, "x", 5),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("error", UNSENDABLE, ids=count())
async def test_an_http_error_that_can_not_be_sent_is_a_logged_500(error, logged):
    answer = await Client(Failing(error)).get("/")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1


async def test_an_http_error_is_not_logged():
    await Client(Failing(HTTPError(500))).get("/")  # the fixture of all tests watches the log


# Other exceptions.


SECRET = "secret: <script>alert(1)</script>"


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("name", HANDLERS)
async def test_an_exception_is_a_500_and_logged_once_with_its_traceback(name, debug, logged):
    error = ValueError(SECRET)
    answer = await Client(Failing(error, debug=debug)).get(HANDLERS[name])
    assert (answer.status, answer.complete) == (500, True)
    (record,) = logged
    assert (record.name, record.levelno) == ("micropie", logging.ERROR)
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert "raise self.error" in "".join(traceback.format_exception(record.exc_info[1]))
    assert f"GET {HANDLERS[name]!r}: {name} failed" in record.getMessage()


@pytest.mark.parametrize("url", HANDLERS.values(), ids=HANDLERS)
async def test_the_client_learns_nothing_of_an_exception(url, logged):
    answer = await Client(Failing(ValueError(SECRET))).get(url)
    assert answer.text == "500 Internal Server Error"
    assert answer.headers == [("content-type", PLAIN), ("content-length", "25")]


@pytest.mark.parametrize("url", HANDLERS.values(), ids=HANDLERS)
async def test_in_debug_the_response_shows_the_traceback_escaped(url, logged):
    client = Client(Failing(ValueError(SECRET), debug=True))
    answer = await client.get(url, headers={"Accept": "text/html"})
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert "500 Internal Server Error" in answer.text
    assert "Traceback (most recent call last)" in answer.text
    assert "raise self.error" in answer.text
    assert "ValueError: secret: &lt;script&gt;" in answer.text
    assert "<script>" not in answer.text


async def test_in_debug_a_head_request_has_no_body(logged):
    answer = await Client(Failing(ValueError("x"), debug=True)).head("/")
    assert (answer.status, answer.body) == (500, b"")
    assert int(answer.header("content-length") or 0) > 100


async def test_in_debug_an_unsendable_result_is_explained(logged):
    class Wrong(App):
        async def index(self):
            return {1, 2}

    answer = await Client(Wrong(debug=True)).get("/")
    assert answer.status == 500
    assert "returned set, which is not a response" in answer.text


async def test_in_debug_errors_of_the_client_look_as_ever():
    client = Client(Failing(HTTPError(400, "no"), debug=True))
    assert (await client.get("/")).text == "no"
    assert (await client.get("/nothing")).text == "404 Not Found"


async def test_debug_can_be_switched_while_the_app_runs(logged):
    app = Failing(ValueError("x"))
    app.debug = True
    assert "Traceback" in (await Client(app).get("/")).text


async def test_nothing_is_printed(capsys, logged):
    await Client(Failing(ValueError("x"), debug=True)).get("/")
    assert capsys.readouterr() == ("", "")


async def test_a_line_break_in_a_path_does_not_start_a_line_of_the_log(logged):
    await Client(Failing(ValueError("x"))).get("/with_argument/a%0Ab%1B[31m")
    assert logged[0].getMessage().isprintable()


ERRORS = [
    StopIteration("x"),
    StopAsyncIteration(),
    RecursionError(),
    MemoryError(),
    TimeoutError(),
    ExceptionGroup("many", [ValueError("x"), OSError()]),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "reason"),
    LookupError(),
    RuntimeError("async generator raised StopAsyncIteration"),
]


@pytest.mark.parametrize("url", [url for url in HANDLERS.values() if "stream" not in url], ids=str)
@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_any_exception_is_a_500(error, url, logged):
    answer = await Client(Failing(error, debug=True)).get(url)
    assert (answer.status, answer.complete) == (500, True)
    assert len(logged) == 1


async def test_half_a_surrogate_pair_in_a_message_does_not_break_the_page(monkeypatch):
    # pytest-xdist can't hand on a report with such a log in it.
    monkeypatch.setattr(logging.getLogger("micropie"), "disabled", True)
    answer = await Client(Failing(ValueError("a\ud800b"), debug=True)).get("/")
    assert (answer.status, "ValueError: a?b" in answer.text) == (500, True)


@pytest.mark.parametrize("cookie", [{}, {"Cookie": "a=b"}])
@pytest.mark.parametrize("url", [HANDLERS[name] for name in HANDLERS if "sync" not in name])
async def test_what_a_handler_awaits_being_cancelled_is_an_error_like_any(url, cookie, logged):
    # As from a task that somebody else has cancelled; Daphne would never answer such a request.
    answer = await Client(Failing(asyncio.CancelledError())).get(url, headers=cookie)
    assert answer.status == 500
    (record,) = logged
    assert "CancelledError" in "".join(traceback.format_exception(record.exc_info[1]))


async def test_a_stream_that_awaits_what_was_cancelled_is_cut_short_and_logged(logged):
    class Streaming(App):
        async def index(self):
            yield "first"
            await asyncio.sleep(0)
            raise asyncio.CancelledError

    answer = await Client(Streaming()).get("/")
    assert answer.chunks == [b"first"]
    assert not answer.complete
    assert isinstance(answer.error, RuntimeError)
    assert len(logged) == 1


async def test_one_failed_request_leaves_the_next_ones_alone(logged):
    client = Client(Failing(ValueError("x")))
    for _ in range(3):
        assert (await client.get("/sync")).status == 500
    assert (await client.get("/nothing")).status == 404


async def test_an_error_while_binding_is_not_an_error_of_the_server():
    class Typed(App):
        async def item(self, number: int):
            return number

    assert (await Client(Typed(debug=True)).get("/item/x")).status == 400


# What the framework answers by itself.


async def test_errors_of_the_framework_are_plain_text():
    answer = await Client(Failing(ValueError())).get("/nothing")
    assert answer.headers == [("content-type", PLAIN), ("content-length", "13")]


async def test_the_request_is_gone_after_an_error(logged):
    app = Failing(ValueError("x"))
    await Client(app).get("/")
    with pytest.raises(RuntimeError, match="no current request"):
        _ = app.request


# A defect here is an endless loop without a pause, which only a signal can end.


@pytest.fixture
def impatient():
    class Endless(BaseException):
        pass

    def give_up(*_):
        raise Endless

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.mark.parametrize("debug", [False, True])
async def test_a_log_that_can_not_be_written_to_takes_no_answer_with_it(debug, impatient, logged):
    class Unwritable(logging.Handler):
        def emit(self, record):
            raise ConnectionError("the log server is away")

    handler = Unwritable()
    logging.getLogger("micropie").addHandler(handler)
    try:
        answer = await Client(Failing(OSError("secret"), debug=debug)).get("/")
    finally:
        logging.getLogger("micropie").removeHandler(handler)
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")


async def test_an_exception_that_can_not_be_shown_is_a_500_in_debug(impatient, monkeypatch, logged):
    class Unshowable(Exception):
        @property
        def __notes__(self):
            raise ValueError

    monkeypatch.setattr(logging, "raiseExceptions", False)
    # traceback itself copes with these since Python 3.13.
    answer = await Client(Failing(Unshowable(), debug=True)).get("/")
    assert answer.status == 500
