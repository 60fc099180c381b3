"""The API: an App with limits and hooks of its own."""

from shop import PIES

from micropie import App, HttpMiddleware, allow


class Api(App):
    def __init__(self, **options):
        super().__init__(**options)
        self.middlewares.append(Version())

    @allow("GET")
    async def prices(self):
        return PIES


class Version(HttpMiddleware):
    """Marks the answers of this App; the rest of the site does not have the header."""

    async def after_request(self, request, status_code, response_body, extra_headers):
        extra_headers.append(("X-API-Version", "1"))


app = Api()  # `uvicorn api:app` serves it alone
