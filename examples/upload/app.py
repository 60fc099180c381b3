"""Uploads with a progress bar, kept in a folder from which they can be downloaded."""

import asyncio
from pathlib import Path

from micropie import App, CrossOriginProtection, HTTPError, SecurityHeaders, UploadFile, allow
from micropie_static import send_file

FOLDER = Path("uploads")
MAX_SIZE = 100 * 1024**2  # bytes of one upload
MAX_TOTAL = 1024**3  # bytes of all of them
MAX_FILES = 1000
BLOCK = 4096  # bytes that a file takes of the disk, however small


class Uploads(App):
    def __init__(self):
        super().__init__(
            template_dir=Path(__file__).parent / "templates",
            max_body_size=MAX_SIZE + 10_000,  # the form around the file
        )
        self.middlewares += [
            SecurityHeaders(SecurityHeaders.INLINE_SCRIPTS),
            CrossOriginProtection(),
        ]
        self.startup_handlers.append(self._startup)
        self._saving = asyncio.Lock()

    async def _startup(self):
        await asyncio.to_thread(FOLDER.mkdir, exist_ok=True)

    async def index(self):
        files = await asyncio.to_thread(_sizes)
        return await self._render_template(
            "index.html", nonce=self.request.state.csp_nonce, files=files, max_size=MAX_SIZE
        )

    @allow("POST")
    async def upload(self, file: UploadFile):
        """Keep a file; the page's script sends just what the form would without it."""
        async with self._saving:  # or several at once would each find room for one
            sizes = [file.size, *(await asyncio.to_thread(_sizes)).values()]
            if len(sizes) > MAX_FILES or sum(max(size, BLOCK) for size in sizes) > MAX_TOTAL:
                raise HTTPError(507, "There is no room left.")
            await file.save(FOLDER)  # under a safe name that is not taken yet
        return self._redirect(self._url_for("index"), status_code=303)

    async def file(self, name):
        """A download: a browser must not show what strangers uploaded as a page of this site.

        Nor run it: a script by its type would be one of 'self', to the Content-Security-Policy.
        """
        return send_file(name, root=FOLDER, content_type="application/octet-stream")


def _sizes() -> dict[str, int]:
    """Return the files' sizes by name."""
    return {path.name: path.stat().st_size for path in sorted(FOLDER.iterdir())}


app = Uploads()
