"""Files of forms: where they are kept meanwhile, where they are saved, and that none is left."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from micropie._bodies.uploads import Files
from support.temporary_files import on_disk
from support.uploads import Uploads


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
    assert on_disk(folder) == 0


@pytest.fixture(params=["nameless", "named"])
def both_kinds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with temporary files without a name, and as on systems that have none."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("needs files without a name")
    kind: str = request.param
    return kind


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have temporary files with a name, as on systems that have no others."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)


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
