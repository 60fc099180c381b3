"""Test clients: the session of a browser, read and preset."""

import pytest

from micropie import App, InMemorySessionBackend, SessionBackend
from micropie.testing import AsyncTestClient, TestClient

pytestmark = pytest.mark.anyio


class Small(SessionBackend):
    """The least that a backend is."""

    def __init__(self):
        self.stored = {}

    async def load(self, session_id):
        return dict(self.stored.get(session_id, {}))

    async def save(self, session_id, data, timeout):
        if data and timeout > 0:
            self.stored[session_id] = dict(data)
        else:
            self.stored.pop(session_id, None)


@pytest.mark.parametrize("backend", [None, Small(), InMemorySessionBackend()])
def test_a_session_is_preset_before_the_first_request(site, backend):
    if backend is not None:
        site.session_backend = backend
    with TestClient(site) as client:
        with client.session() as session:
            assert session == {}
            session["visits"] = 41
        assert client.get("/visits").json() == {"visits": 42}


async def test_a_session_is_preset_asynchronously(site):
    async with AsyncTestClient(site) as client:
        async with client.session() as session:
            session["visits"] = 41
        assert (await client.get("/visits")).json() == {"visits": 42}
        async with client.session() as session:
            assert session == {"visits": 42}


def test_a_session_is_read_and_changed_between_requests(site):
    with TestClient(site) as client:
        client.get("/visits")
        with client.session() as session:
            assert session == {"visits": 1}
            session["visits"] = 10
        assert client.get("/visits").json() == {"visits": 11}


def test_reading_leaves_no_cookie(site):
    with TestClient(site) as client:
        with client.session() as session:
            assert session == {}
        assert not client.cookies


def test_clearing_signs_the_browser_out(site):
    with TestClient(site) as client:
        client.get("/visits")
        with client.session() as session:
            session.clear()
        assert not client.cookies
        assert client.get("/visits").json() == {"visits": 1}


def test_nothing_is_stored_when_the_block_raises(site):
    def preset():
        with client.session() as session:
            session["visits"] = 41
            raise LookupError

    with TestClient(site) as client:
        with pytest.raises(LookupError):
            preset()
        assert client.get("/visits").json() == {"visits": 1}


def test_a_value_that_no_session_holds_is_refused(site):
    with (
        TestClient(site) as client,
        pytest.raises(TypeError, match="holds"),
        client.session() as session,
    ):
        session["when"] = object()


def test_clients_have_sessions_of_their_own(site):
    with TestClient(site) as ada, TestClient(site) as bob:
        with ada.session() as session:
            session["visits"] = 41
        assert bob.get("/visits").json() == {"visits": 1}


@pytest.mark.parametrize(
    ("options", "base_url"),
    [
        ({"session_cookie": "other"}, "http://test"),
        ({"session_cookie_path": "/visits"}, "http://test"),
        ({"session_cookie_secure": True}, "https://test"),
        ({"session_cookie_domain": "example.org"}, "http://shop.example.org"),
        ({"session_cookie_max_age": 60}, "http://test"),
    ],
)
def test_a_preset_session_follows_the_rules_of_its_cookie(site, options, base_url):
    with TestClient(type(site)(**options), base_url=base_url) as client:
        with client.session() as session:
            session["visits"] = 41
        assert client.get("/visits").json() == {"visits": 42}


@pytest.mark.parametrize(
    "options", [{"session_cookie_secure": True}, {"session_cookie_domain": "example.org"}]
)
def test_a_cookie_that_is_not_for_this_client_is_an_error(site, options):
    with (
        TestClient(type(site)(**options)) as client,
        pytest.raises(RuntimeError, match="base_url"),
        client.session() as session,
    ):
        session["visits"] = 41


def test_a_mounted_app_shares_the_session(site):
    outer = App()
    outer.mount("/below", site)
    with TestClient(outer) as client:
        with client.session() as session:
            session["visits"] = 41
        assert client.get("/below/visits").json() == {"visits": 42}


def test_another_kind_of_app_has_no_session():
    async def app(scope, receive, send):
        raise AssertionError

    client = TestClient(app)
    with pytest.raises(TypeError, match="needs an App"), client.session():
        pass
    client.close()
