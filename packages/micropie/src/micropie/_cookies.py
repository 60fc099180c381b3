"""Cookies: those that a client sends, and those that a response sets (RFC 6265bis)."""

import re
from typing import Any, Literal

from micropie._headers import TOKEN
from micropie.parameters import LONGEST, check_number
from micropie.types import Scope

# Browsers drop a cookie whose name and value are longer together, and ignore attributes that are
# longer by themselves (RFC 6265bis, 5.6).
_MAX_LENGTH = 4096  # bytes
_MAX_ATTRIBUTE_LENGTH = 1024

# RFC 6265, 4.1.1: no space, quote, comma, semicolon or backslash in a value.
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*")
_ATTRIBUTE_VALUE = re.compile(rf"[\x20-\x3a\x3c-\x7e]{{1,{_MAX_ATTRIBUTE_LENGTH}}}")
# No scheme, port or path: browsers drop a cookie whose domain the host does not end with.
_DOMAIN = re.compile(r"\.?[\w-]+(?:\.[\w-]+)*", re.ASCII)


class Cookie:
    """What a Set-Cookie header says beside a value.

    Args:
        name: a token.
        path: below which it is sent.
        domain: which hosts get it; None for the one that set it.
        secure: whether it is sent over https only; "auto" as the request that sets it came.
        httponly: whether scripts can't read it.
        samesite: "Strict", "Lax" or "None".
        partitioned: whether a site that embeds this one has a cookie of its own.
        prefix: of the names that messages have for these parameters.

    Raises:
        ValueError: an argument has no valid value, or browsers would drop this combination.
    """

    def __init__(
        self,
        name: str,
        *,
        path: str = "/",
        domain: str | None = None,
        secure: bool | Literal["auto"] = "auto",
        httponly: bool = True,
        samesite: str = "Lax",
        partitioned: bool = False,
        prefix: str = "",
    ) -> None:
        label = prefix.rstrip("_") or "cookie"
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            raise ValueError(f"{label} must be a token, not {name!r}")
        if secure not in (True, False, "auto"):
            raise ValueError(f'{prefix}secure must be True, False or "auto", not {secure!r}')
        if samesite not in ("Strict", "Lax", "None"):
            raise ValueError(
                f'{prefix}samesite must be "Strict", "Lax" or "None", not {samesite!r}'
            )
        if domain is not None and not (_is_attribute(domain) and _DOMAIN.fullmatch(domain)):
            raise ValueError(f"{prefix}domain must be a host name, not {domain!r}")
        # Browsers ignore a path without a slash (RFC 6265, 5.2.4).
        if not _is_attribute(path) or not path.startswith("/"):
            raise ValueError(f"{prefix}path must start with '/', not {path!r}")
        # RFC 6265bis, 4.1.3.
        if name.lower().startswith("__host-") and (domain is not None or path != "/"):
            raise ValueError(f"{label} {name!r} allows no domain, and no path but '/'")
        needs_secure = name.lower().startswith(("__host-", "__secure-"))
        if needs_secure or samesite == "None" or partitioned:
            if secure is False:
                what = "partitioned" if partitioned else f'{prefix}samesite="None"'
                what = f"{label} {name!r}" if needs_secure else what
                raise ValueError(
                    f"{what} needs {prefix}secure: browsers drop such a cookie otherwise"
                )
            secure = True
        self.name = name
        # Browsers keep one cookie of a name for each of these.
        self.place = name, (domain or "").lower().removeprefix("."), path
        self._secure = secure
        self._attributes = f"; Path={path}" + (f"; Domain={domain}" if domain else "")
        self._flags = ("; HttpOnly" if httponly else "") + f"; SameSite={samesite}"
        self._flags += "; Partitioned" if partitioned else ""

    def check_value(self, value: Any) -> None:
        """Reject a value that the cookie can't carry.

        Raises:
            ValueError: it has other characters than RFC 6265, 4.1.1 allows, or too many.
        """
        if not isinstance(value, str) or not _COOKIE_VALUE.fullmatch(value):
            raise ValueError(
                f"the value of the cookie {self.name!r} can't stand in a cookie: it is a str of "
                "ASCII without space, comma, semicolon, quote and backslash; percent-encode others"
            )
        if len(self.name) + len(value) > _MAX_LENGTH:
            raise ValueError(
                f"the cookie {self.name!r} is over {_MAX_LENGTH} bytes: browsers drop it"
            )

    def header(self, value: str, scope: Scope, max_age: int | None = None) -> tuple[str, str]:
        """Return the header that sets the cookie.

        Args:
            value: what it holds.
            scope: of the request that sets it.
            max_age: seconds that the browser keeps it; 0 deletes it, None keeps it until the
                browser closes.

        Raises:
            ValueError: *value* or *max_age* is not valid.
        """
        self.check_value(value)
        check_number("max_age", max_age, int, least=0, most=LONGEST, optional=True)
        secure = scope.get("scheme") in ("https", "wss") if self._secure == "auto" else self._secure
        flags = "; Secure" + self._flags if secure else self._flags
        age = "" if max_age is None else f"; Max-Age={max_age}"
        return "Set-Cookie", f"{self.name}={value}{self._attributes}{flags}{age}"


def _is_attribute(value: object) -> bool:
    return isinstance(value, str) and _ATTRIBUTE_VALUE.fullmatch(value) is not None


def parse_cookies(header: str) -> dict[str, str]:
    """Return the cookies of a Cookie header by name.

    Of two cookies of one name the first counts: browsers send the one with the longer path
    first, and a shorter path must not be able to override it. Malformed pairs are left out.
    """
    cookies: dict[str, str] = {}
    for pair in header.split(";"):
        name, separator, value = pair.partition("=")
        name = name.strip()
        if separator and name and name not in cookies:
            cookies[name] = _without_quotes(value)
    return cookies


def cookie_values(header: str, wanted: str) -> list[str]:
    """Return the different values of the cookies called *wanted*, in order, without empty ones."""
    values: list[str] = []
    for pair in header.split(";"):
        if wanted in pair:
            name, _, value = pair.partition("=")
            if name.strip() == wanted:
                value = _without_quotes(value)
                if value and value not in values:
                    values.append(value)
    return values


def _without_quotes(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value
