"""CORS: lets scripts of other sites read the answers, as the Fetch standard has it."""

from micropie import HttpMiddleware


class CORS(HttpMiddleware):
    """Says to browsers whose pages may use this app.

    Args:
        origins: such as "https://example.com". Only add those you trust.
        methods: beyond GET, HEAD and POST, which need no permission.
        headers: that scripts may send.
        credentials: whether they may send the visitor's cookies.
        max_age: seconds for which a browser need not ask again.
    """

    def __init__(
        self, origins, methods=(), headers=("Content-Type",), credentials=False, max_age=600
    ):
        self._origins = frozenset(origins)
        self._credentials = credentials
        self._preflight = {
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": ", ".join(headers),
            "Access-Control-Max-Age": str(max_age),
        }

    async def before_request(self, request):
        """Answer what browsers ask before they send anything unusual."""
        asks = request.method == "OPTIONS" and "access-control-request-method" in request.headers
        if asks and request.headers.get("origin") in self._origins:
            return {"status_code": 204, "headers": self._preflight}
        return None

    async def after_request(self, request, status_code, response_body, extra_headers):
        """Name the origin in every answer to it, errors included."""
        extra_headers.append(("Vary", "Origin"))
        origin = request.headers.get("origin")
        if origin in self._origins:
            extra_headers.append(("Access-Control-Allow-Origin", origin))
            if self._credentials:
                extra_headers.append(("Access-Control-Allow-Credentials", "true"))
