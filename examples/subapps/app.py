"""A site of parts: two Apps and a bare ASGI app, each below a path of its own."""

from pathlib import Path

from api import Api
from shop import Shop

from micropie import App, CrossOriginProtection, SecurityHeaders

TEMPLATES = Path(__file__).parent / "templates"


class Site(App):
    async def index(self):
        """The session is the same in the shop: what is in the cart is known here."""
        pieces = sum(self.session.get("cart", {}).values())
        return await self._render_template("index.html", pieces=pieces)


async def health(scope, receive, send):
    """Any ASGI app can be mounted, of whatever framework."""
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"fine"})


app = Site(template_dir=TEMPLATES)
shop = Shop(template_dir=TEMPLATES)
app.mount("/shop", shop)
app.mount("/api", Api(max_body_size=10_000))
app.mount("/health", health)
# Hooks of the site stand in front of all that is mounted.
app.middlewares += [CrossOriginProtection(), SecurityHeaders()]
# In a template `url_for` is that of the App which renders it; this is the site's.
for part in (app, shop):
    part.env.globals["site_url"] = app._url_for
