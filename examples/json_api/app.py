"""A REST resource: tasks, with comments below them. Errors are problem documents (RFC 9457)."""

from itertools import count, islice
from typing import Annotated

from msgspec import Meta, Struct

from micropie import App, HTTPError, HttpMiddleware, route

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class Task(Struct):
    title: Text
    done: bool = False
    comments: Annotated[list[Text], Meta(max_length=100)] = []


class Tasks(App):
    def __init__(self):
        super().__init__()
        self.middlewares.append(Problems())
        self._tasks: dict[int, Task] = {}
        self._numbers = count(1)

    @route.get("/tasks")
    async def tasks(self, *, after: int = 0):
        page = dict(islice((pair for pair in self._tasks.items() if pair[0] > after), 20))
        return {"tasks": page, "next": self._url_for("tasks", after=max(page, default=after))}

    @route.post("/tasks")
    async def add(self, task: Task):
        if len(self._tasks) >= 10_000:
            raise HTTPError(507, "there are too many tasks")
        self._tasks[number := next(self._numbers)] = task
        return 201, task, {"Location": self._url_for("task", number)}

    @route.get("/tasks/{number}")
    async def task(self, number: int):
        if number not in self._tasks:
            raise HTTPError(404)
        return self._tasks[number]

    @route.put("/tasks/{number}")
    async def change(self, number: int, task: Task):
        await self.task(number)
        self._tasks[number] = task

    @route.delete("/tasks/{number}")
    async def remove(self, number: int):
        self._tasks.pop(number, None)

    @route.get("/tasks/{number}/comments")
    async def comments(self, number: int):
        return (await self.task(number)).comments

    @route.post("/tasks/{number}/comments")
    async def comment(self, number: int, *, text: Text):
        comments = await self.comments(number)
        if len(comments) >= 100:
            raise HTTPError(422, "a task has at most 100 comments")
        comments.append(text)
        return 201, comments


class Problems(HttpMiddleware):
    async def on_error(self, request, error):
        if not isinstance(error, HTTPError):
            return None
        problem = {"status": error.status_code, "detail": str(error), "errors": error.errors}
        headers = {**dict(error.headers or ()), "Content-Type": "application/problem+json"}
        return {"body": problem, "headers": headers}


app = Tasks()
