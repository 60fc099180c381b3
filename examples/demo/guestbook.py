"""What the demo keeps: the guestbook's entries, in memory."""

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

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        for name, message, signed_at in _EARLIER_GUESTS:
            self.sign(name, message, datetime.fromisoformat(signed_at))

    def sign(self, name: str, message: str, signed_at: datetime | None = None) -> Entry:
        """Add an entry; *signed_at* is now unless given."""
        entry = Entry(len(self._entries) + 1, name, message, signed_at or datetime.now(UTC))
        self._entries.append(entry)
        return entry

    def find(self, entry_id: int) -> Entry | None:
        """Return the entry of that number, or None."""
        return self._entries[entry_id - 1] if 1 <= entry_id <= len(self._entries) else None

    def search(self, text: str = "") -> list[Entry]:
        """Return the entries that have *text* in name or message, the latest first."""
        text = text.casefold()
        return [
            entry
            for entry in reversed(self._entries)
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
