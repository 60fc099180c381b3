"""Hello, World: a class, a method, and a URL for it."""

from micropie import App


class Hello(App):
    async def index(self):
        """Serve http://127.0.0.1:8000/."""
        return "Hello, World!"


app = Hello()
