"""The smallest app answers."""

from support.examples import served

server = served("hello")


def test_it_says_hello(server):
    answer = server.get("/")
    assert (answer.status, answer.text) == (200, "Hello, World!")
