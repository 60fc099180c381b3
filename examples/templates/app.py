"""Templates: inheritance, macros, filters, escaping, and pages that are sent as they are made."""

import asyncio
from datetime import date
from pathlib import Path

from micropie import App, HTTPError, SecurityHeaders

PIES = {
    "apple": {"name": "Apple pie", "cents": 350, "since": date(2024, 9, 1)},
    "cherry": {"name": "Cherry & <almond> pie", "cents": 420, "since": date(2026, 6, 15)},
    "lemon": {"name": "Lemon tart", "cents": 390, "since": date(2025, 3, 20)},
}


class Bakery(App):
    async def index(self):
        return await self._render_template("index.html", pies=PIES)

    async def pie(self, key):
        if key not in PIES:
            raise HTTPError(404, await self._render_template("missing.html", key=key))
        return await self._render_template("pie.html", pie=PIES[key])

    async def oven(self):
        """A template may loop over what is not there yet; yielding sends the page bit by bit."""
        template = self.env.get_template("oven.html")
        async for piece in template.generate_async(pies=_baked()):
            yield piece

    async def _render_template(self, name, /, **context):
        """Give every template what all of them need."""
        return await super()._render_template(name, opened=2024, **context)


async def _baked():
    for pie in PIES.values():
        await asyncio.sleep(0.5)
        yield pie


app = Bakery(template_dir=Path(__file__).parent / "templates")
app.middlewares.append(SecurityHeaders())
# Filters, tests and globals belong to the Jinja environment.
app.env.filters["euro"] = lambda cents: f"€ {cents / 100:.2f}"
app.env.tests["new"] = lambda pie: pie["since"].year >= 2026
