"""Two small middlewares, each a module to take along, around a wall of notes and its API."""

from itertools import count
from pathlib import Path

from cors import CORS
from ratelimit import RateLimit

from micropie import App, CrossOriginProtection, HTTPError, SecurityHeaders, allow, route

MAX_NOTES, MAX_TEXT = 100, 200


class Notes(App):
    def __init__(self):
        super().__init__(template_dir=Path(__file__).parent / "templates", max_body_size=10_000)
        self._notes = {}
        self._ids = count(1)

    async def index(self):
        return await self._render_template("index.html", notes=self._notes, max_text=MAX_TEXT)

    @allow("POST")
    async def write(self, *, text: str):
        """The form of the page, which CrossOriginProtection has let in."""
        self._add(text)
        return self._redirect(self._url_for("index"), status_code=303)

    @route.get("/api/notes")
    async def list_notes(self):
        return self._notes

    @route.post("/api/notes")
    async def add_note(self, *, text: str):
        return 201, {"id": self._add(text)}

    @route.get("/api/notes/{note_id}")
    async def show_note(self, note_id: int):
        if note_id not in self._notes:
            raise HTTPError(404)
        return {"text": self._notes[note_id]}

    @route.delete("/api/notes/{note_id}")
    async def remove_note(self, note_id: int):
        self._notes.pop(note_id, None)

    def _add(self, text: str) -> int:
        text = text.strip()
        if not 0 < len(text) <= MAX_TEXT:
            raise HTTPError(422, "That is too long, or nothing.")
        note_id = next(self._ids)
        self._notes[note_id] = text
        if len(self._notes) > MAX_NOTES:
            del self._notes[min(self._notes)]
        return note_id


app = Notes()
app.middlewares += [
    SecurityHeaders(),
    # First those that refuse: what follows is spared the work.
    RateLimit(rate=5, burst=50),
    CORS(["https://example.com"], methods=["DELETE"]),
    CrossOriginProtection(trusted=["https://example.com"]),
]
