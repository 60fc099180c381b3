"""Files of forms: where they are kept meanwhile, where they are saved, and that none is left."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from micropie._bodies.forms import Files
from support.uploads import Uploads, names


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    files = Files()
    yield files
    await files.close()


@pytest.fixture(autouse=True)
def spool_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go; every test must leave it empty."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert names(folder) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    return folder


@pytest.fixture
async def upload() -> AsyncIterator[Uploads]:
    uploads = Uploads()
    yield uploads
    await uploads.close()
