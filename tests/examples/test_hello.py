"""The smallest app answers."""

from support.examples import loaded, visiting

app = loaded("hello")


def test_it_says_hello(app):
    with visiting(app) as visitor:
        answer = visitor.get("/")
    assert (answer.status_code, answer.text) == (200, "Hello, World!")
