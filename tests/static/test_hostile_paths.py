"""Paths that try to get out: never a byte from outside of the root, and never a 500."""

import pytest

from support.raw_http import ask
from support.static_files import CSS, SECRET

# A file of the root, if the server has made a harmless path of it; else the client's error.
HARMLESS = {200, 206, 302, 400, 404, 414, 431}
INSIDE = {CSS, CSS[:100], b"<h1>docs</h1>"}

PATHS = {
    "dots": b"/../secret.txt",
    "dots deep": b"/docs/../../secret.txt",
    "dots within": b"/docs/../app.css",
    "many dots": b"/" + b"../" * 40 + b"etc/passwd",
    "encoded dots": b"/%2e%2e/secret.txt",
    "encoded slash": b"/..%2fsecret.txt",
    "all encoded": b"/%2e%2e%2fsecret.txt",
    "capitals": b"/%2E%2E%2Fsecret.txt",
    "encoded twice": b"/%252e%252e%252fsecret.txt",
    "encoded slash within": b"/docs%2f..%2f..%2fsecret.txt",
    "leading encoded slash": b"/%2fetc/passwd",
    "backslash": b"/..\\secret.txt",
    "encoded backslash": b"/..%5csecret.txt",
    "backslashes": b"/docs%5c..%5c..%5csecret.txt",
    "slashes": b"//etc/passwd",
    "three slashes": b"///etc/passwd",
    "slashes within": b"/docs//../../secret.txt",
    "absolute": b"/OUTSIDE/secret.txt",
    "slash and absolute": b"/" + b"/OUTSIDE/secret.txt",
    "encoded absolute": b"/%2fOUTSIDE/secret.txt",
    "file scheme": b"/file:///etc/passwd",
    "NUL": b"/app.css%00",
    "NUL and suffix": b"/../secret.txt%00.css",
    "NUL within": b"/docs%00/../secret.txt",
    "link": b"/link.txt",
    "linked folder": b"/linked/secret.txt",
    "linked folder alone": b"/linked",
    "linked folder with slash": b"/linked/",
    "through a link in circles": b"/docs/round/docs/round/link.txt",
    "link to itself": b"/itself",
    "link to nowhere": b"/nowhere",
    "variant that is a link": b"/hello.txt.gz",
    "FIFO": b"/pipe",
    "folder": b"/docs",
    "folder with slash": b"/docs/",
    "file with slash": b"/app.css/",
    "file as folder": b"/app.css/secret.txt",
    "dots after a file": b"/app.css/../../secret.txt",
    "dot": b"/.",
    "dot dot": b"/..",
    "dot segment": b"/./app.css",
    "dots at the end": b"/app.css...",
    "encoded dot at the end": b"/app.css%2e",
    "blank at the end": b"/app.css%20",
    "line break": b"/app.css%0a",
    "header in a line break": b"/x%0d%0aX-Evil:%20yes",
    "other line break": b"/app.css%e2%80%a8",
    "device": b"/CON",
    "device with suffix": b"/aux.css",
    "other device": b"/COM1.txt",
    "UNC": b"/%5c%5chost%5cshare",
    "drive": b"/C:/windows/win.ini",
    "drive with backslash": b"/C:%5cwindows%5cwin.ini",
    "stream of NTFS": b"/app.css::$DATA",
    "overlong dots": b"/%c0%ae%c0%ae/secret.txt",
    "overlong slash": b"/..%c0%afsecret.txt",
    "overlong, three bytes": b"/%e0%80%ae%e0%80%ae/secret.txt",
    "fullwidth": b"/%ef%bc%8e%ef%bc%8e%ef%bc%8fsecret.txt",
    "broken UTF-8": b"/%ff%fe",
    "surrogate": b"/%ed%a0%80",
    "broken encoding": b"/%zz%",
    "raw bytes": b"/\xff\xfe",
    "IIS": b"/%u002e%u002e/secret.txt",
    "home": b"/~root/.bashrc",
    "variable": b"/$HOME/.bashrc",
    "semicolon": b"/..;/secret.txt",
    "long": b"/" + b"a" * 5000,
    "long and deep": b"/" + b"a/" * 5000,
    "long dots": b"/" + b"./" * 5000 + b"app.css",
    "100 KB": b"/" + b"a" * 100_000,
}


@pytest.mark.parametrize(
    "below", [b"/static", b"/fresh", b"", b"/send", b"/static/docs"], ids=bytes.decode
)
def test_nothing_from_outside_gets_out(server, below):
    outside = str(server.root.parent / "outside").encode()
    for name, path in PATHS.items():
        answer = ask(server, below + path.replace(b"/OUTSIDE", outside), ("Range", "bytes=0-99"))
        if answer is None:
            assert len(path) > 50_000, name  # too long for the server, that says so by leaving
            continue
        assert answer.status in HARMLESS, (name, answer)
        assert "X-Evil" not in answer.headers, name
        for evil in (SECRET, b"root:"):
            assert evil not in answer.body, name
        if answer.status in (200, 206):
            assert answer.body in INSIDE, name


@pytest.mark.parametrize("below", [b"/static", b"/fresh", b"", b"/send"], ids=bytes.decode)
def test_what_is_inside_is_not_kept_back(server, below):
    assert ask(server, below + b"/hello.txt").body == b"0123456789"
    assert ask(server, below + b"/..two%20dots.txt").status == 200
    assert ask(server, below + b"/gr%C3%BC%C3%9Fe%20100%25.txt").status == 200


def test_no_path_made_the_server_complain(server):
    log = server.log()
    assert "Traceback" not in log, log[-3000:]
