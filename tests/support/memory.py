"""How much memory a process takes (Linux)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Growth:
    """What a process took at most beyond what it had before, in MiB; set when the block ends."""

    mib: float


@contextmanager
def memory_growth(pid: int) -> Iterator[Growth]:
    """Measure by how much the process grows in the block, at its peak."""
    try:
        # Resets the peak to what is taken now: proc(5), "clear_refs".
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        pytest.skip("the kernel does not tell how much memory a process takes")
    before = _peak(pid)
    growth = Growth()
    yield growth
    growth.mib = (_peak(pid) - before) / 1024


def resident_mib(pid: int) -> float:
    """Return what the process takes now."""
    try:
        return _status(pid, "VmRSS:") / 1024
    except OSError:
        pytest.skip("the kernel does not tell how much memory a process takes")


def _peak(pid: int) -> int:
    """Return the largest resident size of the process so far, in KiB."""
    return _status(pid, "VmHWM:")


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
