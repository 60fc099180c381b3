"""What the command line asks for."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """What every part of the benchmark is told.

    Attributes:
        contestants: which take part, by the name of their module.
        jobs: which are done; None for all.
        rounds: how often each contestant is measured.
        is_quick: a smoke run, whose numbers mean little.
    """

    contestants: list[str]
    jobs: list[str] | None
    rounds: int
    is_quick: bool

    def chosen(self, jobs: Iterable[str]) -> list[str]:
        """Return those of *jobs* that are to be done."""
        return [job for job in jobs if self.jobs is None or job in self.jobs]
