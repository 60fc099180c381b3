"""Names of files as hostile clients send them, and what is made of them."""

import os
from pathlib import Path

import pytest

from micropie._bodies.uploads import safe_filename
from support.temporary_files import names
from support.uploads import SMALL, Uploads

pytestmark = pytest.mark.anyio

HOSTILE_NAMES = {
    "report.pdf": "report.pdf",
    "übersicht 日本語 😀.txt": "übersicht 日本語 😀.txt",
    "": "file",
    ".": "file",
    "..": "file",
    "...": "file",
    "/": "file",
    "a/": "file",
    "../../etc/passwd": "passwd",
    "/etc/passwd": "passwd",
    "..\\..\\windows\\system.ini": "system.ini",
    "C:\\fakepath\\photo.jpg": "photo.jpg",
    "C:evil.txt": "C_evil.txt",
    "a.txt:stream": "a.txt_stream",
    "..\x00/../x.txt": "x.txt",
    "a\x00b.txt": "ab.txt",
    "a\r\nb\t\x1b[0m.txt": "ab[0m.txt",
    "\x7f\x85": "file",
    "photo\u202egpj.exe": "photogpj.exe",
    "lone\ud800surrogate": "lonesurrogate",
    ".htaccess": "htaccess",
    "...bashrc": "bashrc",
    " . .profile": "profile",
    "-rf": "rf",
    "--": "file",
    "-.-htaccess": "htaccess",
    "\u202e-x": "x",
    ". -- con": "_con",
    "-nul.txt": "_nul.txt",
    "a-b.txt": "a-b.txt",
    "name. . ": "name",
    "name.txt.": "name.txt",
    "what?*<>|.txt": "what_____.txt",
    'say "hi".txt': "say _hi_.txt",
    "con": "_con",
    "NUL.txt": "_NUL.txt",
    "Aux .tar.gz": "_Aux .tar.gz",
    "com1": "_com1",
    "LPT¹.doc": "_LPT¹.doc",
    "conin$": "_conin$",
    "console.txt": "console.txt",
    "com10": "com10",
    "\ufffd\ufffd.bin": "\ufffd\ufffd.bin",
    "a" * 300 + ".txt": "a" * 196 + ".txt",
    "日" * 100 + ".txt": "日" * 65 + ".txt",
    "x." + "y" * 300: "x." + "y" * 19,
    "." * 300 + "a" * 300: "a" * 200,
    "a" * 195 + " " * 100 + ".txt": "a" * 195 + " .txt",
}


@pytest.mark.parametrize("filename", HOSTILE_NAMES, ids=ascii)
async def test_a_hostile_name_is_harmless_on_disk(
    upload: Uploads, tmp_path: Path, folder: Path, filename: str
) -> None:
    path = await (await upload(SMALL, filename)).save(folder)
    assert path == folder / HOSTILE_NAMES[filename]
    assert names(folder) == [path.name]
    assert names(tmp_path) == ["saved", "spool"]


@pytest.mark.parametrize("filename", HOSTILE_NAMES, ids=ascii)
def test_a_safe_name_is_safe_again(filename: str) -> None:
    name = safe_filename(filename)
    assert safe_filename(name) == name
    assert 0 < len(os.fsencode(name)) <= 201
    assert name[0] not in "-."
