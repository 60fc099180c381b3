"""An App with handlers of each kind, and the document of any App."""

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pydantic
from annotated_types import Interval, MinLen

from micropie import App, EventStream, HTTPError, UploadFile, allow, route
from micropie_openapi import OpenAPI, describe
from support.servers import Server, serve

TESTS = Path(__file__).parents[1]


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Cake:
    """A cake."""

    name: Annotated[str, MinLen(1)]
    price: Decimal
    size: Size = Size.SMALL
    best_before: date | None = None


class Oven(pydantic.BaseModel):
    degrees: int = pydantic.Field(ge=50, le=300)


class Tray(msgspec.Struct):
    depth: Annotated[float, msgspec.Meta(ge=1, le=10)]
    labels: list[str] = []


class Staff(App):
    @route.get("/")
    async def everybody(self) -> list[str]:
        return ["ada"]

    @route.get("/{number}")
    async def one(self, number: Annotated[int, Interval(ge=1, le=99)]) -> dict[str, int]:
        return {"number": number}


class Bakery(App):
    @allow("GET")
    async def index(self) -> str:
        return "The bakery"

    @route.get("/cakes")
    async def cakes(
        self, *, page: Annotated[int, Interval(ge=1, le=100)] = 1, sizes: list[Size] | None = None
    ) -> list[Cake]:
        """List the cakes.

        Those that are left, page by page.

        Args:
            page: its number,
                from one.

        Returns:
            at most ten.
        """
        return [Cake(f"cake {page}", Decimal(3), size) for size in sizes or Size]

    @route.post("/cakes")
    async def bake(self, cake: Cake) -> tuple[Literal[201], Cake]:
        return 201, cake

    @route.get("/cakes/{number}")
    async def cake(self, number: Annotated[int, Interval(ge=0, le=9)]) -> Cake:
        """Return a cake.

        Raises:
            HTTPError: 404, it was eaten.
        """
        if number > 3:
            raise HTTPError(404)
        return Cake(str(number), Decimal("2.5"))

    @route.delete("/cakes/{number}")
    async def eat(self, number: Annotated[int, Interval(ge=0, le=9)]) -> None:
        return None

    @route.put("/ovens/{name}")
    async def heat(self, name: str, oven: Oven, *, fast: bool = False) -> Oven:
        return oven

    @route.put("/trays")
    async def fill(self, tray: Tray) -> Tray:
        return tray

    @route.post("/photos")
    async def photo(self, image: UploadFile) -> dict[str, int]:
        return {"size": len(await image.read())}

    @route.post("/orders")
    async def order(self, *, name: str, number: int = 1) -> dict[str, str | int]:
        return {"name": name, "number": number}

    @route.get("/news")
    async def news(self) -> EventStream:
        return EventStream([])

    @route.get("/files/{path:path}")
    @describe(hidden=True)
    async def file(self, path: str):
        return path


def document_of(app: App, **options: Any) -> dict[str, Any]:
    docs = OpenAPI(**options)
    docs.on_mount(app, "/docs")
    return docs.document()


def operation_of(handler: Any, name: str = "it", method: str | None = None) -> dict[str, Any]:
    """Return the only operation of an App with *handler*, or that of *method*."""
    app = type("It", (App,), {name: handler})()
    (item,) = document_of(app)["paths"].values()
    return item[method] if method else next(iter(item.values()))


def serve_page_app(name: str = "app") -> AbstractContextManager[Server]:
    """Run the App *name* of tests/openapi/page_app.py under uvicorn."""
    environment = {"PYTHONPATH": str(TESTS)}
    folder = TESTS / "openapi"
    return serve("uvicorn", f"page_app:{name}", folder, environment=environment)


def conform(url: str, folder: Path, *options: str) -> tuple[int, str]:
    """Run Schemathesis, with all of its checks, on the document at *url*.

    Args:
        url: of a running app.
        folder: where it leaves its files.
        options: of its command line.

    Returns:
        its exit status, 0 if it found nothing, and what it printed.
    """
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", url, "--checks", "all"),
        # These ask how fast it makes its data, which tells nothing of the app: on a busy machine
        # that was an error now and then.
        *("--suppress-health-check", "all", *options),
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


bakery = Bakery()
bakery.mount("/staff", Staff())
bakery.mount("/docs", OpenAPI(title="Bakery", version="2.1"))
