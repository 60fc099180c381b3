"""A REST resource: tasks, with comments below them. Errors are problem documents (RFC 9457)."""

from itertools import count, islice
from typing import Annotated, Literal

from msgspec import Meta, Struct

from micropie import App, HTTPError, HttpMiddleware, route
from micropie_openapi import OpenAPI, describe

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class Task(Struct):
    title: Text
    done: bool = False
    comments: Annotated[list[Text], Meta(max_length=100)] = []


class Page(Struct):
    tasks: dict[int, Task]
    next: str


class FieldError(Struct):
    field: str
    message: str


class Problem(Struct):
    status: int
    detail: str
    errors: list[FieldError]


class Tasks(App):
    def __init__(self):
        super().__init__()
        self.middlewares.append(Problems())
        self._tasks: dict[int, Task] = {}
        self._numbers = count(1)

    @route.get("/tasks")
    async def tasks(self, *, after: int = 0) -> Page:
        page = dict(islice((pair for pair in self._tasks.items() if pair[0] > after), 20))
        return Page(page, self._url_for("tasks", after=max(page, default=after)))

    @route.post("/tasks")
    @describe(responses={507: "There are too many tasks."})
    async def add(self, task: Task) -> tuple[Literal[201], Task, dict[str, str]]:
        if len(self._tasks) >= 10_000:
            raise HTTPError(507, "there are too many tasks")
        self._tasks[number := next(self._numbers)] = task
        return 201, task, {"Location": self._url_for("task", number)}

    @route.get("/tasks/{number}")
    async def task(self, number: int) -> Task:
        if number not in self._tasks:
            raise HTTPError(404)
        return self._tasks[number]

    @route.put("/tasks/{number}")
    async def change(self, number: int, task: Task) -> None:
        await self.task(number)
        self._tasks[number] = task

    @route.delete("/tasks/{number}")
    async def remove(self, number: int) -> None:
        self._tasks.pop(number, None)

    @route.get("/tasks/{number}/comments")
    async def comments(self, number: int) -> list[Text]:
        return (await self.task(number)).comments

    @route.post("/tasks/{number}/comments")
    @describe(responses={422: "A task has at most 100 comments."})
    async def comment(self, number: int, *, text: Text) -> tuple[Literal[201], list[Text]]:
        comments = await self.comments(number)
        if len(comments) >= 100:
            raise HTTPError(422, "a task has at most 100 comments")
        comments.append(text)
        return 201, comments


class Problems(HttpMiddleware):
    async def on_error(self, request, error):
        if not isinstance(error, HTTPError):
            return None
        errors = [FieldError(**each) for each in error.errors]
        problem = Problem(error.status_code, str(error), errors)
        headers = {**dict(error.headers or ()), "Content-Type": "application/problem+json"}
        return {"body": problem, "headers": headers}


app = Tasks()
app.mount("/docs", OpenAPI(title="Tasks", error_model=Problem))
