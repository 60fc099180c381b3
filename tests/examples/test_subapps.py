"""The parts of the site are below their paths, and share what they should."""

import pytest

from support.examples import loaded, served, visiting

app = loaded("subapps")
behind_a_prefix = served("subapps", UVICORN_ROOT_PATH="/bakery")


@pytest.fixture
def visitor(app):
    with visiting(app) as visitor:
        yield visitor


def test_the_cart_of_the_shop_is_known_to_the_site(visitor):
    for pieces in (1, 2):
        page = visitor.post("/shop/add/apple")
        assert page.url.path == "/shop/"
        assert f"{pieces} in the cart" in page.text
    assert "In all: <strong>7.00" in page.text
    assert "You have 2 pieces" in visitor.get("/").text
    assert visitor.post("/shop/add/mud").status_code == 404


def test_hooks_of_the_site_stand_in_front_of_the_shop(visitor):
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert visitor.post("/shop/add/apple", headers=headers).status_code == 403


def test_the_api_has_hooks_of_its_own(visitor):
    answer = visitor.get("/api/prices")
    assert answer.json()["apple"] == 350
    assert answer.headers["X-API-Version"] == "1"
    assert "X-API-Version" not in visitor.get("/shop").headers


def test_a_bare_asgi_app_is_served_as_well(visitor):
    assert visitor.get("/health").text == "fine"


def test_links_hold_behind_a_prefix(behind_a_prefix):
    with visiting(behind_a_prefix) as visitor:
        page = visitor.get("/shop")
        assert 'href="/bakery/"' in page.text
        assert 'href="/bakery/shop/"' in page.text
        assert 'action="/bakery/shop/add/apple"' in page.text
