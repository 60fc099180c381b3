"""CSRF: forms must carry a secret of their visitor's session, which other sites can't know."""

import hmac
import secrets

from micropie import App, HttpMiddleware

SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}  # RFC 9110, 9.2.1: they change nothing


class CSRF(HttpMiddleware):
    """Refuses what changes something and lacks the token, as a field or as a header.

    Templates get it by `csrf_token()`:

        <input type="hidden" name="csrf_token" value="{{ csrf_token() }}">

    A script sends it as `X-CSRF-Token`.
    """

    def __init__(self, app: App):
        self._app = app
        app.env.globals["csrf_token"] = self._token

    def _token(self) -> str:
        return self._app.session.setdefault("csrf_token", secrets.token_urlsafe(32))

    async def before_request(self, request):
        if request.method in SAFE:
            return None
        given = request.headers.get("x-csrf-token")
        if given is None:
            await request.parse_body()  # hooks run before that
            given = str(request.form("csrf_token", ""))
        expected = request.session.get("csrf_token", "")
        if expected and hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
            return None
        return {"status_code": 403, "body": "This form has expired. Go back, reload, try again."}
