"""A REST resource, tasks with comments below them: a handler for each method of a URL."""

from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from itertools import count

from micropie import App, HTTPError, HttpMiddleware, route


class Priority(Enum):
    LOW = "low"
    HIGH = "high"


@dataclass
class Task:
    title: str
    priority: Priority = Priority.LOW
    due: date | None = None
    done: bool = False
    comments: list[str] = field(default_factory=list)

    def __post_init__(self):
        """What no annotation can say: the client gets a 400 with this text."""
        if not 0 < len(self.title) <= 200:
            raise ValueError("'title' must have 1 to 200 characters")


class Tasks(App):
    def __init__(self):
        super().__init__(max_body_size=100_000)  # bytes
        self.middlewares.append(JSONErrors())
        self._tasks: dict[int, Task] = {}
        self._ids = count(1)

    @route.get("/tasks")
    async def tasks(self, *, done: bool | None = None, due_by: date = date.max, limit: int = 20):
        """`/tasks?done=false&due_by=2026-12-24`: query values, converted one by one."""
        found = {
            task_id: task
            for task_id, task in self._tasks.items()
            if done in (None, task.done) and (task.due or date.min) <= due_by
        }
        return {"total": len(found), "tasks": dict(list(found.items())[: max(0, limit)])}

    @route.post("/tasks")
    async def add(self, task: Task):
        """A dataclass takes the JSON object, or the form, as a whole."""
        if len(self._tasks) >= 10_000:
            raise HTTPError(507, "there are too many tasks")
        task_id = next(self._ids)
        self._tasks[task_id] = task
        return 201, {"id": task_id, "task": task}, {"Location": self._url_for("task", task_id)}

    @route.get("/tasks/{task_id}")
    async def task(self, task_id: int):
        return self._find(task_id)

    @route.patch("/tasks/{task_id}")
    async def change(self, task_id: int, *, done: bool):
        """The keys of an object, and the fields of a form, are arguments as well."""
        self._find(task_id).done = done
        return self._find(task_id)

    @route.delete("/tasks/{task_id}")
    async def remove(self, task_id: int):
        self._tasks.pop(task_id, None)  # None is a 204

    @route.get("/tasks/{task_id}/comments")
    async def comments(self, task_id: int):
        return self._find(task_id).comments

    @route.post("/tasks/{task_id}/comments")
    async def comment(self, task_id: int, *, text: str):
        comments = self._find(task_id).comments
        if not 0 < len(text) <= 1000 or len(comments) >= 100:
            raise HTTPError(422, "a task has 100 comments of 1 to 1000 characters")
        comments.append(text)
        return 201, comments

    def _find(self, task_id: int) -> Task:
        if task_id not in self._tasks:
            raise HTTPError(404)
        return self._tasks[task_id]


class JSONErrors(HttpMiddleware):
    """Answers in JSON where MicroPie would in plain text: `404 Not Found` and the like."""

    async def on_error(self, request, error):
        return {"body": {"error": str(error)}} if isinstance(error, HTTPError) else None


app = Tasks()
