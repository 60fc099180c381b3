"""Text streams, and stops being made when its reader leaves."""

import time

from support.examples import loaded, phone, served, visiting
from support.servers import CLIENT_TIMEOUT

app = loaded("streaming_text")
server = served("streaming_text")


def test_the_story_comes_in_pieces(app):
    with visiting(app) as visitor, visitor.stream("GET", "/story?pause=0.001") as answer:
        pieces = list(answer.iter_text())
    assert len(pieces) > 5
    assert "".join(pieces).endswith("everybody was there. ")


def test_it_stops_when_the_reader_leaves(app):
    with visiting(app) as visitor:
        with visitor.stream("GET", "/story?pause=2") as answer:
            pieces = answer.iter_text()
            assert next(pieces) == "Once "
            assert visitor.get("/readers").json() == {"readers": 1}
        deadline = time.monotonic() + CLIENT_TIMEOUT
        while visitor.get("/readers").json() != {"readers": 0}:
            assert time.monotonic() < deadline, "the story goes on"
            time.sleep(0.01)


def test_a_generator_without_async_streams_as_well(server):
    rows = server.get("/squares/3000").text.splitlines()
    assert (len(rows), rows[-1]) == (3000, "3000,9000000")


def test_a_browser_shows_it_and_can_stop_it(server):
    with phone() as open_page:
        page = open_page(server.url)
        page.get_by_role("button", name="Tell it").click()
        page.get_by_text("Once there was").wait_for()
        page.get_by_role("button", name="Enough").click()
        page.get_by_text("The server has stopped as well.").wait_for()
