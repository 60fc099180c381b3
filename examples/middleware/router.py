"""Router: a table of routes, for those who would rather see them in one place."""

import re

from micropie import HTTPError, HttpMiddleware


class Router(HttpMiddleware):
    """Routes by method and pattern; what no pattern matches is routed as ever.

    Args:
        routes: of method, pattern and handler's name, as in
            `("GET", "/notes/{id}", "_show_note")`. Each {...} is one segment, and an argument.
    """

    def __init__(self, *routes: tuple[str, str, str]):
        self._routes = [(method, _compile(pattern), name) for method, pattern, name in routes]

    async def before_request(self, request):
        methods = []
        for method, pattern, name in self._routes:
            match = pattern.fullmatch(request.path)
            if match and request.method in (method, "HEAD" if method == "GET" else method):
                request.handler, request.path_params = name, list(match.groups())
                return
            if match:
                methods.append(method)
        if methods:
            raise HTTPError(405, headers={"Allow": ", ".join(methods)})


def _compile(pattern: str) -> re.Pattern[str]:
    literals = re.split(r"\{\w+\}", pattern)
    return re.compile("([^/]+)".join(map(re.escape, literals)))
