"""What a request costs, in bytecode instructions: a number that no busy machine changes."""

import os
import subprocess
import sys

import pytest

# What a request took when its path was last looked at. To make one longer may be right: then its
# new number is written here, by somebody who has seen it in benchmarks/.
INSTRUCTIONS = {
    "hello": {(3, 11): 223, (3, 12): 232, (3, 13): 229},
    "item": {(3, 11): 649, (3, 12): 630, (3, 13): 626},
    "not_found": {(3, 11): 543, (3, 12): 537, (3, 13): 531},
    "middlewares": {(3, 11): 1003, (3, 12): 961, (3, 13): 956},
}
GROWTH = 1.1

PROGRAM = """
import asyncio, sys
from micropie import App, HttpMiddleware

class Site(App):
    async def index(self):
        return "Hello, World!"
    async def item(self, number: int, q=""):
        return {"number": number, "q": q}

class Hook(HttpMiddleware):
    async def before_request(self, request):
        pass
    async def after_request(self, request, status_code, response_body, extra_headers):
        pass

HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"connection", b"keep-alive"),
]

def scope(path, query):
    return {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": "",
        "path": path, "raw_path": path.encode(), "query_string": query, "headers": HEADERS,
    }

async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}

sent = []
async def send(message):
    sent.append(message)

instructions = 0

def count(code, offset):
    global instructions
    instructions += 1

def trace(frame, event, argument):
    frame.f_trace_opcodes = True
    if event == "opcode":
        count(frame.f_code, frame.f_lasti)
    return trace

def set_counting(is_on):
    if sys.version_info < (3, 12):
        sys.settrace(trace if is_on else None)
        return
    monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID
    if is_on:
        monitoring.use_tool_id(tool, "count")
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, count)
    monitoring.set_events(tool, monitoring.events.INSTRUCTION if is_on else 0)

async def main(job):
    app = Site()
    if job == "middlewares":
        app.middlewares += [Hook(), Hook(), Hook()]
    path, query = ("/item/42", b"q=pie") if job == "item" else ("/", b"")
    if job == "not_found":
        path = "/nothing"
    for _ in range(3):  # what is made at the first request, and kept, is no part of the path
        await app(scope(path, query), receive, send)
    counted = scope(path, query)
    set_counting(True)
    await app(counted, receive, send)
    set_counting(False)
    assert sent[-2]["status"] == (404 if job == "not_found" else 200), sent
    print(instructions)

asyncio.run(main(sys.argv[1]))
"""


def instructions_of(job: str) -> int:
    """Return how many bytecode instructions one request takes.

    In an interpreter of its own: where coverage is measured, its tracer would be in the way.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    command = [sys.executable, "-c", PROGRAM, job]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("job", INSTRUCTIONS)
def test_a_request_takes_no_more_instructions_than_it_did(job):
    known = INSTRUCTIONS[job].get(sys.version_info[:2])
    if known is None:
        pytest.skip("no number was written down for this Python")
    taken = instructions_of(job)
    assert taken <= known * GROWTH, f"{job} takes {taken} instructions; it took {known}"


def test_the_count_is_the_same_every_time():
    assert instructions_of("item") == instructions_of("item")


def test_the_count_sees_what_a_request_has_to_do():
    assert instructions_of("middlewares") > instructions_of("hello") * GROWTH
