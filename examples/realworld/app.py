"""Conduit, the blogging platform of the RealWorld project: its API, at /api."""

from accounts import Tokens
from articles import Articles
from comments import Comments
from database import connected
from failures import Failures
from profiles import Profiles
from schemas import Failure
from users import Users

from micropie import App
from micropie_openapi import OpenAPI


class Conduit(Users, Profiles, Articles, Comments):
    """Each concern is an App of its own; here they are one, with the same hooks."""

    def __init__(self):
        super().__init__(max_body_size=1024**2, lifespan=connected)
        self.middlewares += [Failures(), Tokens()]


TOKEN = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": "`Token`, a space, and what registration and login answer with.",
}

conduit = Conduit()
conduit.mount(
    "/docs",
    OpenAPI(
        title="Conduit",
        version="1.1.0",
        error_model=Failure,
        error_media_type="application/json",
        invalid_status=422,
        security_schemes={"Token": TOKEN},
    ),
)

app = App()
app.mount("/api", conduit)
