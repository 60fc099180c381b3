"""The targets: what the measurements are held against (the design's section on speed)."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.contestants import BARE, MICROPIE, PEERS, SERVESTATIC, title_of
from benchmarks.jobs import JOBS
from benchmarks.table import Table


@dataclass(frozen=True)
class Target:
    """A bound on MicroPie's number divided by another's of the same round.

    Attributes:
        table: by its name.
        bound: of the ratio: at most, or at least where more is better.
        others: the best of these is what MicroPie is divided by.
        ours: what MicroPie is called in that table.
    """

    table: str
    bound: float
    others: tuple[str, ...]
    ours: str = MICROPIE


TARGETS = [
    Target("process/hello", 3.6, (BARE,)),
    Target("process/hello", 0.5, PEERS),
    *(Target(f"process/{job}", 1.0, PEERS) for job in JOBS if job != "hello"),
    *(
        Target(f"uvicorn{setup}/hello", bound, others)
        for setup in ("-64", "-1000")
        for bound, others in ((0.92, (BARE,)), (1.0, PEERS))
    ),
    *(
        Target(f"{setup}/item", 1.0, PEERS)
        for setup in ("uvicorn-64", "uvicorn-1000", "granian-64", "granian-1000")
    ),
    *(Target(f"granian-{load}/hello", 1.0, PEERS) for load in (64, 1000)),
    # Requests a second: 0.8 of Starlette's time.
    Target("uvicorn-64/sync", 1.25, ("starlette",)),
    Target("uvicorn-64/static", 1.0, ("starlette",)),
    Target("uvicorn-64/static", 0.9, (SERVESTATIC,)),
    Target("sessions/read", 1.3, ("Starlette, Redis",), "MicroPie, Redis"),
    Target("sessions/write", 1.3, ("Starlette, Redis",), "MicroPie, Redis"),
    Target("upload", 1.0, PEERS),
    Target("websocket", 1.0, PEERS),
    Target("import", 1.0, ("starlette",)),
    *(
        Target(f"conduit/{database}/{job}", 1.0, ("fastapi", "litestar"))
        for database in ("SQLite", "PostgreSQL")
        for job in ("article", "articles", "write")
    ),
    Target("conduit/lines", 1.0, ("fastapi", "litestar")),
]

IMPORT_LIMIT = 15.0  # ms
ROUTES_LIMIT = 1.05  # what a request costs with 1,000 routes, divided by what it costs with one


def judged(tables: list[Table]) -> Iterator[tuple[str, str, bool]]:
    """Yield what was asked, what was found and whether that is enough."""
    by_name = {table.name: table for table in tables}
    for target in TARGETS:
        table = by_name.get(target.table)
        best = table and table.best(target.others)
        if not table or not best or target.ours not in table.rounds:
            continue
        ratio = table.ratio(target.ours, best)
        more = table.more_is_better
        asked = f"{'at least' if more else 'at most'} {target.bound:g} x {title_of(best)}"
        met = ratio >= target.bound if more else ratio <= target.bound
        yield f"{table.title}: {asked}", f"{ratio:.2f}", met
    ours = {
        name: table.median(MICROPIE) for name, table in by_name.items() if MICROPIE in table.rounds
    }
    if "import" in ours:
        yield (
            f"import: at most {IMPORT_LIMIT:g} ms",
            f"{ours['import']:.1f} ms",
            ours["import"] <= IMPORT_LIMIT,
        )
    for one, many, kind in (
        ("process/one_route", "process/many_routes", ""),
        ("process/one_pattern", "process/many_patterns", "explicit "),
    ):
        if not {one, many} <= ours.keys():
            continue
        ratio = ours[many] / ours[one]
        yield (
            f"1,000 {kind}routes: at most {ROUTES_LIMIT:g} x 1 {kind}route",
            f"{ratio:.2f}",
            ratio <= ROUTES_LIMIT,
        )
