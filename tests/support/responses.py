"""Apps that return one value from handlers of every kind, and what must not reach the client."""

from typing import Any

from micropie import App
from support.asgi import Answer, Client


class Returning(App):
    """Returns one value from handlers of every kind."""

    def __init__(self, value: Any, **options: Any) -> None:
        super().__init__(**options)
        self.value = [value]  # in a list, or a function would become a handler

    async def index(self):
        return self.value[0]

    async def with_argument(self, name):
        return self.value[0]

    def sync(self):
        return self.value[0]


async def answer_to(value: Any, method: str = "GET") -> Answer:
    """Return the answer to *value*, which is the same from handlers of every kind."""
    client = Client(Returning(value))
    answer = await client.request(method, "/")
    for url in ("/with_argument/x", "/sync"):
        other = await client.request(method, url)
        assert (other.status, other.headers, other.body) == (
            answer.status,
            answer.headers,
            answer.body,
        )
    assert len(answer.messages) == 2
    assert answer.complete
    return answer


def is_clean_500(answer: Answer) -> bool:
    return (answer.status, answer.text, answer.header("content-type")) == (
        500,
        "500 Internal Server Error",
        "text/plain; charset=utf-8",
    )
