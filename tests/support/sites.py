"""Apps with handlers of every kind, and the URLs that might lead to what is none."""

from micropie import App, allow


class Site(App):
    async def index(self):
        return "index"

    async def greet(self, name="Guest"):
        return f"Hello {name}"

    async def sign_up(self):
        return "sign up"

    async def _private(self):
        return "private"

    async def __secret(self):
        return "secret"

    async def __call_me__(self):
        return "dunder"

    async def ws_chat(self, ws):
        return "websocket"


class Segments(App):
    """Every path that no other handler has goes to index."""

    async def index(self, *segments):
        return list(segments)

    async def show(self, *segments):
        return {"show": list(segments)}


def every_name(app: App) -> set[str]:
    return {*dir(app), *vars(app), *dir(type(app)), "ws_chat", "ws_index", "__secret"}


class CallableObject:
    def __call__(self):
        return "called"


class Restricted(App):
    @allow("get")
    async def read(self):
        return self.request.method

    @allow("POST", "PUT")
    async def write(self, name="x"):
        return self.request.method

    @allow("GET", "OPTIONS")
    async def own(self):
        return f"own {self.request.method}"
