"""Table: what one comparison found, round by round."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from benchmarks.contestants import MICROPIE, title_of


class Entrant(Protocol):
    """Somebody who is measured: a process, or whatever stands for the contestant."""

    contestant: str


E = TypeVar("E", bound=Entrant)

# One number, and further ones by their title.
Measurement = tuple[float, dict[str, float]]


class ContestantError(Exception):
    """A contestant did not do what it was asked to; the message is why it is left out."""


@dataclass
class Table:
    """The measurements of one job.

    Attributes:
        name: part and job, "process/hello" say; targets refer to it.
        title: the same for people.
        unit: of the numbers.
        more_is_better: a speed, not a cost.
        rounds: a number a round, by contestant; round by round they were taken side by side.
        columns: further numbers by title, then by contestant.
        left_out: why, by contestant.
        reference: whose number the others' are shown as a multiple of.
    """

    name: str
    title: str
    unit: str
    more_is_better: bool = False
    rounds: dict[str, list[float]] = field(default_factory=dict)
    columns: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    reference: str = MICROPIE

    def fill(self, entrants: Sequence[E], rounds: int, measure: Callable[[E], Measurement]) -> None:
        """Measure everyone once in each of *rounds*, and leave out who fails.

        Each round begins with another one, so that nobody always follows the same.
        """
        for turn in range(rounds):
            start = turn % len(entrants) if entrants else 0
            for entrant in [*entrants[start:], *entrants[:start]]:
                if entrant.contestant in self.left_out:
                    continue
                try:
                    number, columns = measure(entrant)
                except ContestantError as error:
                    self.left_out[entrant.contestant] = str(error)
                    self.rounds.pop(entrant.contestant, None)
                else:
                    self.add(entrant.contestant, number, columns)

    def add(self, contestant: str, number: float, columns: dict[str, float]) -> None:
        """Add one round of a contestant, with further numbers whose median is shown."""
        self.rounds.setdefault(contestant, []).append(number)
        for title, value in columns.items():
            self._further.setdefault((title, contestant), []).append(value)
            self.columns.setdefault(title, {})[contestant] = statistics.median(
                self._further[title, contestant]
            )

    def __post_init__(self) -> None:
        self._further: dict[tuple[str, str], list[float]] = {}

    def median(self, contestant: str) -> float:
        return statistics.median(self.rounds[contestant])

    def ratio(self, one: str, other: str) -> float:
        """Return the median of one's numbers divided by the other's of the same round."""
        pairs = zip(self.rounds[one], self.rounds[other], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def ranked(self) -> list[str]:
        """Return the contestants, the best first."""
        return sorted(self.rounds, key=self.median, reverse=self.more_is_better)

    def best(self, contestants: Iterable[str]) -> str | None:
        """Return the best of those that took part, or None."""
        return next((name for name in self.ranked() if name in set(contestants)), None)

    def markdown(self) -> str:
        """Return the table under its title."""
        has_reference = self.reference in self.rounds
        heads = ["", self.unit, "spread", *[f"x {title_of(self.reference)}"] * has_reference]
        heads += self.columns
        lines = [heads, ["---", *["--:"] * (len(heads) - 1)]]
        for name in self.ranked():
            numbers = self.rounds[name]
            cells = [title_of(name), figure_of(self.median(name))]
            cells.append(f"{figure_of(min(numbers))} to {figure_of(max(numbers))}")
            if has_reference:
                cells.append(f"{self.ratio(name, self.reference):.2f}")
            cells += [
                figure_of(column[name]) if name in column else ""
                for column in self.columns.values()
            ]
            lines.append(cells)
        text = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
        reasons = [f"{title_of(name)}: {reason}" for name, reason in self.left_out.items()]
        note = f"\n\nLeft out: {'; '.join(reasons)}." if reasons else ""
        return f"### {self.title}\n\n{text}{note}\n"


def figure_of(number: float) -> str:
    """Return *number* with three digits that count."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"
