"""What is in a folder for temporary files, also without a name."""

import os
from contextlib import suppress
from pathlib import Path


def names(folder: Path) -> list[str]:
    """Return what is in *folder*."""
    return sorted(os.listdir(folder))


def on_disk(folder: Path) -> int:
    """Return how many temporary files are in *folder*, with a name or without."""
    nameless = set()
    if os.path.isdir("/proc/self/fd"):
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):  # that of the listing itself
                nameless.add(os.readlink(f"/proc/self/fd/{number}"))
    unnamed = [path for path in nameless if path.startswith(f"{folder}/#")]
    return len(names(folder)) + len(unnamed)
