"""The cookie that carries a session's id (RFC 6265)."""

import re
from typing import Literal

from micropie._headers import TOKEN
from micropie.types import Scope


class SessionCookie:
    """The cookie that carries the session's id; it lives until the browser closes.

    Args:
        name: a token.
        secure: whether it is sent over https only; "auto" as the request that sets it came.
        samesite: "Strict", "Lax" or "None".
        domain: which hosts get it; None for the one that set it.
        path: below which it is sent.

    Raises:
        ValueError: an argument has no valid value; the message names the App's parameter.
    """

    def __init__(
        self,
        name: str = "session_id",
        secure: bool | Literal["auto"] = "auto",
        samesite: str = "Lax",
        domain: str | None = None,
        path: str = "/",
    ) -> None:
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            raise ValueError(f"session_cookie must be a token, not {name!r}")
        if secure not in (True, False, "auto"):
            raise ValueError(f'session_cookie_secure must be True, False or "auto", not {secure!r}')
        if samesite not in ("Strict", "Lax", "None"):
            raise ValueError(
                f'session_cookie_samesite must be "Strict", "Lax" or "None", not {samesite!r}'
            )
        if samesite == "None" and secure is False:
            raise ValueError(
                'session_cookie_samesite="None" needs session_cookie_secure: browsers drop such '
                "a cookie otherwise"
            )
        if domain is not None and not _is_value(domain):
            raise ValueError(f"session_cookie_domain can't be {domain!r}")
        # Browsers ignore a path without a slash (RFC 6265, 5.2.4).
        if not _is_value(path) or not path.startswith("/"):
            raise ValueError(f"session_cookie_path must start with '/', not {path!r}")

        # Browsers drop such a cookie otherwise (RFC 6265bis, 4.1.3); "auto" may be https.
        is_host = name.lower().startswith("__host-")
        if is_host and (domain is not None or path != "/"):
            raise ValueError(f"session_cookie {name!r} allows no domain, and no path but '/'")
        if secure is False and (is_host or name.lower().startswith("__secure-")):
            raise ValueError(f"session_cookie {name!r} needs session_cookie_secure")

        # Browsers keep one cookie of a name for each of these.
        self.place = name, (domain or "").lower().removeprefix("."), path
        self.name = name
        self.secure = secure
        self.samesite = samesite
        self.domain = domain
        self.path = path

    def check_id(self, session_id: str) -> None:
        """Reject an id that a cookie can't carry.

        Raises:
            ValueError: it has other characters than RFC 6265, 4.1.1 allows.
        """
        if not re.fullmatch(r"[!#-+\--:<-\[\]-~]+", session_id):  # RFC 6265, 4.1.1
            raise ValueError(f"the session id {session_id!r} can't stand in a cookie")

    def set_header(self, session_id: str, scope: Scope) -> tuple[str, str]:
        """Return the header that gives the browser *session_id*."""
        return "Set-Cookie", self._format(session_id, scope)

    def expire_header(self, scope: Scope) -> tuple[str, str]:
        """Return the header that makes the browser forget the cookie."""
        return "Set-Cookie", self._format("", scope) + "; Max-Age=0"

    def _format(self, value: str, scope: Scope) -> str:
        parts = [f"{self.name}={value}", f"Path={self.path}"]
        if self.domain is not None:
            parts.append(f"Domain={self.domain}")
        secure = scope.get("scheme") in ("https", "wss") if self.secure == "auto" else self.secure
        if secure or self.samesite == "None":
            parts.append("Secure")
        return "; ".join([*parts, "HttpOnly", f"SameSite={self.samesite}"])


def _is_value(value: object) -> bool:
    return isinstance(value, str) and _VALUE.fullmatch(value) is not None


_VALUE = re.compile(r"[\x20-\x3a\x3c-\x7e]+")
