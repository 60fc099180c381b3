"""Handlers that take arguments out of bodies, requests that bring them, and what a refusal says."""

import enum
import json
from typing import Any

from micropie import App, UploadFile
from support.asgi import Client
from support.bodies import END, FORM, JSON, MULTIPART

# Turns up in no response, whatever is wrong with it.
SECRET = "hunter2-SECRET"


def missing(name: str) -> str:
    return f"400 Bad Request: Missing required parameter '{name}'"


def refused(problem: str) -> tuple[int, str]:
    return 400, f"400 Bad Request: {problem}"


async def send(app: App, url: str, body: bytes, content_type: str, method: str = "POST"):
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    answer = await Client(app).request(method, url, headers=headers, body=body)
    assert answer.status < 500
    if answer.status != 200:
        assert SECRET not in answer.text
    return answer


async def send_json(app: App, url: str, value: Any, method: str = "POST"):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return await send(app, url, body, JSON, method)


async def send_form(app: App, url: str, body: str, method: str = "POST"):
    return await send(app, url, body.encode(), FORM, method)


async def send_parts(app: App, url: str, *parts: bytes, method: str = "POST"):
    return await send(app, url, b"".join(parts) + END, MULTIPART, method)


def one(annotation: Any, default: Any = ...) -> App:
    """Return an App whose index takes `value` of this annotation, and shows what it got."""

    class One(App):
        async def index(self, *, value):
            return {"type": type(value).__name__, "value": value}

    function = One.index
    function.__annotations__["value"] = annotation
    if default is not ...:
        function.__kwdefaults__ = {"value": default}
    return One()


class Handlers(App):
    async def three(self, first, second, third="default"):
        return [first, second, third]

    async def number(self, number: int):
        return number

    async def keyword(self, *, size: int, color="red"):
        return [size, color]

    async def rest(self, first="none", **others):
        return [first, others]

    async def rest_numbers(self, **numbers: int):
        return numbers

    async def positional(self, name, /, **others):
        return [name, others]

    async def lists(self, tags: list[str]):
        return tags

    async def numbers(self, numbers: list[int] = ()):
        return list(numbers)

    async def file(self, file: UploadFile):
        return [file.filename, (await file.read()).decode()]

    async def files(self, files: list[UploadFile]):
        return [file.filename for file in files]

    async def optional_file(self, file: UploadFile | None = None):
        return file.filename if file else "no file"

    async def optional_files(self, files: list[UploadFile] | None = None):
        return [file.filename for file in files or ()]

    async def plain_file(self, file):
        return file if isinstance(file, str) else [file.filename]

    async def text_and_file(self, segment, text, file: UploadFile, number: int):
        return [segment, text, file.filename, number]


class Color(enum.Enum):
    RED = "red"
    ONE = 1
