"""The servers that are attacked here.

Whatever comes, the answer is no 500, nothing hangs, and afterwards the server is as it was: it
answers, its temporary folder is empty, and its log tells of no error.
"""

import pytest

from support.bad_input import TARGETS, attacked
from support.processes import files_in
from support.servers import wait_until


# Once a run: the tests of every file are sorted by the server that they need.
@pytest.fixture(scope="session", params=TARGETS)
def running(request, tmp_path_factory):
    name, options, environment = TARGETS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    with attacked(name, folder, options, environment) as server:
        server.target = request.param
        yield server


@pytest.fixture
def server(running):
    """The server, which must be unharmed after the test."""
    yield running
    assert running.get("/greet/Ada").text == "Hello, Ada!"
    wait_until(lambda: not files_in(running.temporary, running.pid))
    log = running.log()
    assert "Traceback" not in log, log[-3000:]
    assert "error" not in log.lower(), log[-3000:]
    for path in running.uploads.iterdir():
        path.unlink()
