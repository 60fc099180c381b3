"""Videos that play while they load, and from wherever the viewer jumps to, by range requests."""

import asyncio
from pathlib import Path

from micropie import App, SecurityHeaders
from micropie_static import send_file

HERE = Path(__file__).parent
VIDEOS = HERE / "videos"


class Cinema(App):
    async def index(self):
        files = await asyncio.to_thread(lambda: sorted(VIDEOS.glob("*.mp4")))
        return await self._render_template("index.html", names=[file.name for file in files])

    async def video(self, name):
        """Answer `Range: bytes=...` with that part: send_file does, and keeps within VIDEOS."""
        return send_file(name, root=VIDEOS, inline=True)


app = Cinema(template_dir=HERE / "templates")
app.middlewares.append(SecurityHeaders())
