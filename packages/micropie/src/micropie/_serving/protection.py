"""Hooks that protect visitors: from pages of other sites, and from what gets into the own ones."""

import os
from collections.abc import Iterable
from typing import Any

from micropie._errors import ExplainedError
from micropie._headers import add_missing
from micropie._http.request import Request
from micropie._serving.middleware import HttpMiddleware
from micropie._serving.origins import parse_named
from micropie.types import Headers

# As in Go's net/http. TRACE, safe too by RFC 9110, 9.2.1, can't be sent by pages.
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class CrossOriginProtection(HttpMiddleware):
    """Refuses what a page of another origin sends to change something; goes into `middlewares`.

    Browsers say where a request comes from, in Sec-Fetch-Site. Those from before 2023, and all of
    them on plain http to another host than localhost, say it in Origin, which then must name the
    host of the Host header. GET, HEAD and OPTIONS pass, so no handler may change anything for
    these. A client that sends neither header passes too: it is not a browser, and carries nobody's
    cookies. The algorithm is that of Go's http.CrossOriginProtection.

    Args:
        trusted: other origins whose pages may send what they like, such as
            "https://login.example.com".

    Raises:
        TypeError: *trusted* is not a list of strings.
        ValueError: one of them is not an origin.
    """

    __module__ = "micropie"

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = parse_named("trusted", trusted)

    async def before_request(self, request: Request) -> None:
        """Refuse *request* if a page of another origin sent it and it may change something.

        Raises:
            HTTPError: 403, it did.
        """
        if request.method in _SAFE_METHODS:
            return
        headers = request.headers
        site, origin = headers.get("sec-fetch-site"), headers.get("origin", "").lower()
        if site:
            # A repeated header has been joined to "same-origin, cross-site", which is neither.
            is_own = site in ("same-origin", "none")
        else:
            host = origin.partition("://")[2]  # "null", of a sandboxed page, has none
            is_own = not origin or (host != "" and host == headers.get("host", "").lower())
        if not is_own and origin not in self._trusted:
            raise ExplainedError(403, "this was sent by a page of another site")


class SecurityHeaders(HttpMiddleware):
    """Tells browsers to run and load nothing but the site's own; goes into `middlewares`.

    Adds Content-Security-Policy, `X-Content-Type-Options: nosniff` (types are not guessed) and
    `Referrer-Policy: same-origin` (other sites don't learn paths) to every response, errors and
    mounted apps included; a response that has one of these already keeps its own.

    Args:
        policy: the Content-Security-Policy. A `{nonce}` in it becomes a random value of the
            request's own, `request.state.csp_nonce`, which templates put into their script
            elements: `<script nonce="{{ nonce }}">`.

    Attributes:
        POLICY: lets in files of the site itself, and styles within pages, and no frame around them.
        INLINE_SCRIPTS: lets in scripts within pages, too, if they have the nonce.
    """

    __module__ = "micropie"

    POLICY = (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    INLINE_SCRIPTS = POLICY + "; script-src 'self' 'nonce-{nonce}'"

    def __init__(self, policy: str = POLICY) -> None:
        self._policy = policy
        self._has_nonce = "{nonce}" in policy

    async def before_request(self, request: Request) -> None:
        """Give *request* its nonce if the policy has one."""
        if self._has_nonce:
            request.state.csp_nonce = os.urandom(16).hex()

    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: Headers
    ) -> None:
        """Add the headers that the response does not have."""
        policy = self._policy
        if self._has_nonce:
            policy = policy.replace("{nonce}", request.state.csp_nonce)
        # An error may still take the place of this response: its session can't be stored, say.
        request._lasting_headers = (
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
        )
        add_missing(extra_headers, request._lasting_headers)
