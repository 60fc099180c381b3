"""A folder of files, something outside of it that nobody may get, and an app on every server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from micropie import App
from micropie_static import Static
from support.asgi import Client
from support.servers import SERVERS, Server, serve
from support.static_files import HUGE, make_huge, make_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder to serve; tests may change it."""
    return make_tree(tmp_path)


@pytest.fixture(params=[False, True], ids=["frozen", "autorefresh"])
def client(request: pytest.FixtureRequest, root: Path) -> Client:
    """A client of an App with the files at /static, found at first or looked for each time."""
    app = App()
    app.mount("/static", Static(root, autorefresh=request.param))
    return Client(app)


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The app of static_app.py on each server, with a root of its own."""
    folder = tmp_path_factory.mktemp("static")
    make_huge(make_tree(folder) / "huge.bin", HUGE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROPIE_TEST_STATIC", str(folder / "root"))
        with serve(request.param, "static_app:app", Path(__file__).parent) as running:
            running.root = folder / "root"
            yield running
