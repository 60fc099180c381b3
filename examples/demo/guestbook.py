"""The guestbook's entries: what one must be like, and the latest of them, kept in memory."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Entry:
    id: int
    name: str
    message: str
    signed_at: datetime


class Guestbook:
    """Entries numbered from 1, and a few from earlier guests to begin with."""

    MAX_NAME = 40  # characters
    MAX_MESSAGE = 500
    MAX_ENTRIES = 500  # the oldest makes room for the next

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._signed = 0
        for name, message, signed_at in _EARLIER_GUESTS:
            self.sign(name, message, datetime.fromisoformat(signed_at))

    def problems(self, name: str, message: str) -> dict[str, str]:
        """Return what is wrong with an entry, by field; nothing if it may stand in the book."""
        found = {}
        if not name:
            found["name"] = "Please tell us your name."
        elif len(name) > self.MAX_NAME:
            found["name"] = f"At most {self.MAX_NAME} characters, please; these are {len(name)}."
        if not message:
            found["message"] = "Please write something."
        elif len(message) > self.MAX_MESSAGE:
            found["message"] = (
                f"At most {self.MAX_MESSAGE} characters, please; these are {len(message)}."
            )
        return found

    def sign(self, name: str, message: str, signed_at: datetime | None = None) -> Entry:
        """Add an entry that has no problems; *signed_at* is now unless given."""
        self._signed += 1
        entry = Entry(self._signed, name, message, signed_at or datetime.now(UTC))
        self._entries[entry.id] = entry
        self._entries.pop(entry.id - self.MAX_ENTRIES, None)
        return entry

    def find(self, entry_id: int) -> Entry | None:
        """Return the entry of that number, or None."""
        return self._entries.get(entry_id)

    def search(self, text: str = "") -> list[Entry]:
        """Return the entries that have *text* in name or message, the latest first."""
        text = text.casefold()
        return [
            entry
            for entry in reversed(self._entries.values())
            if text in entry.name.casefold() or text in entry.message.casefold()
        ]


_EARLIER_GUESTS = [
    (
        "Ada",
        "Signed in at ten past nine, before the kettle had boiled. Lovely view of the mill.",
        "2026-05-02T09:10:00+00:00",
    ),
    (
        "Grace",
        "Found a moth in the window and wrote it down, as one should.",
        "2026-05-17T14:32:00+00:00",
    ),
    (
        "Zoë & Søren",
        "We came for one slice and stayed for the whole pie. 🥧 Tak!",
        "2026-06-21T18:05:00+00:00",
    ),
    (
        "Bobby <script>",
        "My mother says hello. <b>She</b> is proud that this is still a guestbook.",
        "2026-07-04T11:47:00+00:00",
    ),
    (
        "Radia",
        "All paths lead here, and none of them in circles.",
        "2026-08-30T16:20:00+00:00",
    ),
]
