"""The report: the tables as JSON and Markdown, and a chart of them."""

import importlib.metadata
import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.contestants import BARE, MICROPIE, OLD, TITLES, title_of
from benchmarks.table import Table, figure_of
from benchmarks.targets import judged

RESULTS = Path(__file__).parent / "results"

# Beside the contestants: what they run on and with.
COMPONENTS = ["uvicorn", "uvloop", "httptools", "websockets", "granian", "orjson", "jinja2"]
COMPONENTS += ["multipart", "python-multipart", "pydantic", "sqlalchemy", "aiosqlite", "asyncpg"]


def write(tables: list[Table], prefix: str = "", folder: Path = RESULTS) -> list[Path]:
    """Write everything that was found, to files whose names begin with *prefix*; return them."""
    folder.mkdir(exist_ok=True)
    name = f"{prefix}python-{platform.python_version().rpartition('.')[0]}"
    files = [folder / f"{name}.json", folder / f"{name}.md"]
    about = setting()
    document = {"setting": about, "tables": [asdict(table) for table in tables]}
    files[0].write_text(json.dumps(document, indent=1) + "\n")
    files[1].write_text(markdown(about, tables))
    chart = folder / f"{name}.png"
    if draw(about, tables, chart):
        files.append(chart)
    return files


def setting() -> dict[str, Any]:
    """Return what was measured on what."""
    versions = {}
    for name in [title for name, title in TITLES.items() if name not in (BARE, OLD)] + COMPONENTS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": time.strftime("%Y-%m-%d"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
        return text.split("model name")[1].splitlines()[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return platform.processor()


def markdown(about: dict[str, Any], tables: list[Table]) -> str:
    """Return the whole report."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    has_old = any(OLD in table.rounds for table in tables)
    parts = [
        f"# Benchmarks on {about['python']}\n",
        f"{about['date']}, {about['processor']}, {about['cores']} cores, {about['system']}.\n",
        f"{versions}{', and MicroPie 0.32' if has_old else ''}.\n",
        "Medians; a ratio is the median of the ratios within each round, in which everyone was "
        "measured in turn.\n",
        "## Targets\n",
        targets(tables),
        "## Tables\n",
        *[table.markdown() for table in tables],
    ]
    return "\n".join(parts)


def targets(tables: list[Table]) -> str:
    """Return the table of targets: asked, found, met."""
    lines = ["| target | found | |", "|---|--:|---|"]
    for asked, found, met in judged(tables):
        lines.append(f"| {asked} | {found} | {'met' if met else '**missed**'} |")
    return "\n".join(lines) + "\n"


# In the chart: what is shown, in the order of the panels.
PANELS = [
    ("process/hello", "Hello, World!"),
    ("process/item", "Path + query → JSON"),
    ("process/json", "JSON → JSON"),
    ("uvicorn-64/hello", "Hello, World! under uvicorn"),
]
OURS, THEIRS, LIMIT = "#e0592a", "#9aa5b1", "#d9dee3"


def draw(about: dict[str, Any], tables: list[Table], path: Path) -> bool:
    """Draw the panels that were measured; tell whether there were any."""
    by_name = {table.name: table for table in tables}
    shown = [(by_name[name], title) for name, title in PANELS if name in by_name]
    if not shown:
        return False
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = (len(shown) + 1) // 2
    columns = min(len(shown), 2)
    figure, axes = plt.subplots(
        rows, columns, figsize=(5.4 * columns, 3.6 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(shown) :]:
        axis.remove()
    for axis, (table, title) in zip(axes.flat, shown, strict=False):
        _draw_panel(axis, table, title)
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.12, wspace=0.04, hspace=0.06)
    where = f"{about['python']}, {about['processor']}, {about['date']}"
    figure.supxlabel(where, fontsize=8, color="#66707a")
    figure.savefig(path, dpi=150, facecolor="white")
    plt.close(figure)
    return True


def _draw_panel(axis: Any, table: Table, title: str) -> None:
    names = table.ranked()[::-1]
    numbers = [table.median(name) for name in names]
    colors = [OURS if name == MICROPIE else LIMIT if name == BARE else THEIRS for name in names]
    bars = axis.barh([title_of(name) for name in names], numbers, color=colors, height=0.72)
    axis.bar_label(bars, map(figure_of, numbers), padding=4, fontsize=8, color="#39424b")
    better = "more" if table.more_is_better else "less"
    axis.set_title(title, loc="left", pad=8, fontsize=11, fontweight="bold", color="#20262c")
    axis.set_xlabel(f"{table.unit} ({better} is better)", fontsize=8, color="#66707a", loc="left")
    axis.set_xlim(0, max(numbers) * 1.18)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.spines["left"].set_color("#c3cad1")
    axis.tick_params(length=0, labelsize=9, colors="#39424b")
    axis.xaxis.set_ticks([])
    for label in axis.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == title_of(MICROPIE) else "normal")
