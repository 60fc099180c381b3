"""An EventSource of Chromium reads an EventStream, and comes back for what it has missed."""

import pytest
from playwright.sync_api import expect

from support.browser import chromium
from support.servers import serve

APP = '''
from micropie import App, EventStream

PAGE = """<!DOCTYPE html><title>events</title><ol></ol><script>
const source = new EventSource("/events");
function show(text) {
  const line = document.createElement("li");
  line.textContent = text;
  document.querySelector("ol").append(line);
}
source.onmessage = (event) => show(`${event.lastEventId}: ${event.data}`);
source.addEventListener("end", (event) => { show(event.type); source.close(); });
</script>"""


class Site(App):
    async def index(self):
        return PAGE

    async def events(self):
        last = int(self.request.headers.get("last-event-id") or 0)
        return EventStream(self._events(last), ping=0.01)

    async def _events(self, last):
        """Two events, and then the connection ends, as it would when the server restarts."""
        yield {"retry": 1}
        for number in (last + 1, last + 2):
            yield {"id": number, "data": f"number {number}\\nof two lines"}
        if number == 6:
            yield {"event": "end", "data": None}


app = Site()
'''


@pytest.fixture
def server(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    with serve("uvicorn", "app:app", tmp_path) as running:
        yield running


def test_it_gets_every_event_once_over_several_connections(server):
    with chromium() as browser:
        page = browser.new_page()
        page.goto(server.url)
        items = page.locator("li")
        expect(items).to_have_count(7)
        numbers = [f"{number}: number {number}\nof two lines" for number in range(1, 7)]
        assert items.all_text_contents() == [*numbers, "end"]
