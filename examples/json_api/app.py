"""A JSON API whose parameters are checked and converted by their annotations."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import count

from micropie import App, CrossOriginProtection, HTTPError, HttpMiddleware, allow


class Priority(Enum):
    LOW = "low"
    HIGH = "high"


@dataclass
class Task:
    title: str
    priority: Priority = Priority.LOW
    due: date | None = None
    done: bool = False

    def __post_init__(self):
        """What no annotation can say: the client gets a 400 with this text."""
        if not 0 < len(self.title) <= 200:
            raise ValueError("'title' must have 1 to 200 characters")


class Tasks(App):
    def __init__(self):
        super().__init__(max_body_size=100_000)  # bytes
        self.middlewares += [JSONErrors(), CrossOriginProtection()]
        self._tasks: dict[int, Task] = {}
        self._ids = count(1)

    @allow("GET")
    async def tasks(self, *, done: bool | None = None, due_by: date = date.max, limit: int = 20):
        """`/tasks?done=false&due_by=2026-12-24`: query values, converted one by one."""
        found = {
            task_id: task
            for task_id, task in self._tasks.items()
            if done in (None, task.done) and (task.due or date.min) <= due_by
        }
        return {"total": len(found), "tasks": dict(list(found.items())[: max(0, limit)])}

    @allow("POST")
    async def add(self, *, title: str, priority: Priority = Priority.LOW):
        """The keys of a JSON object, and the fields of a form, arrive just the same."""
        return self._added(Task(title.strip()[:200] or "untitled", priority))

    @allow("POST")
    async def add_whole(self, task: Task):
        """A dataclass takes the object as a whole: `{"title": "Bake", "due": "2026-12-24"}`."""
        return self._added(task)

    @allow("GET", "PATCH", "DELETE")
    async def task(self, task_id: int, *, done: bool | None = None):
        """`/task/1`: looked at, marked as done or not, or removed."""
        task = self._tasks.get(task_id)
        if task is None:
            raise HTTPError(404)
        if self.request.method == "DELETE":
            del self._tasks[task_id]
            return None  # a 204
        if self.request.method == "PATCH" and done is not None:
            task.done = done
        return task

    @allow("POST")
    async def count_words(self):
        """`request.json()` is whatever the client sent, for those who look themselves."""
        words = self.request.json()
        if not isinstance(words, list):
            raise HTTPError(400, {"error": "send a list"})
        return {"words": len(words)}

    def _added(self, task: Task):
        if len(self._tasks) >= 10_000:
            raise HTTPError(507, {"error": "too many tasks"})
        task_id = next(self._ids)
        self._tasks[task_id] = task
        headers = {"Location": self._url_for("task", task_id)}
        return 201, {"id": task_id, "task": task}, headers


class JSONErrors(HttpMiddleware):
    """Answers in JSON where MicroPie would in plain text: `404 Not Found` and the like."""

    async def after_request(self, request, status_code, response_body, extra_headers):
        if status_code < 400 or not isinstance(response_body, str):
            return None
        headers = {"Content-Type": "application/json"}
        return {"body": {"error": response_body}, "headers": headers}


app = Tasks()
