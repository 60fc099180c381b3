"""What is in a folder."""

import os
from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))
