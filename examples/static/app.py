"""Static files with a hash in their names, and a download.

    servestatic --all --clear --copy-original assets dist
    uvicorn app:app

The first line may be left out: then the files of assets are served, by their own names.
"""

from pathlib import Path

from micropie import App, SecurityHeaders
from micropie_static import Static, send_file

HERE = Path(__file__).parent
BUILT = HERE / "dist"


class Bakery(App):
    async def index(self):
        return await self._render_template("page.html")

    async def recipe(self, name="apple-pie.txt"):
        return send_file(name, root=HERE / "downloads")


app = Bakery(template_dir=HERE / "templates")
app.middlewares.append(SecurityHeaders())
static = Static(BUILT if BUILT.is_dir() else HERE / "assets")
app.mount("/static", static)
app.env.globals["static_url"] = static.url
