"""URLs that an App gives to clients."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode

# RFC 3986: everything that has a meaning in a URL, and "%" because it is encoded already.
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"


def encoded(url: str) -> str:
    """Percent-encode what may not stand in a URL; what is encoded already stays."""
    return quote(url, safe=_URL_CHARACTERS, errors="replace")


def built(root_path: str, segments: Iterable[object], query: Mapping[str, object]) -> str:
    """Return the URL of the path *segments*, each encoded, below *root_path*.

    The values of *query* follow; a list or tuple gives several parameters of one name.
    """
    path = "/".join(quote(str(segment), safe="") for segment in segments)
    url = f"{quote(root_path)}/{path}"
    return f"{url}?{urlencode(query, doseq=True)}" if query else url
