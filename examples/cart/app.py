"""A shopping cart in a Redis session, on a client that the app has for its own use too."""

import os
from pathlib import Path

from redis.asyncio import Redis

from micropie import App, CrossOriginProtection, HTTPError, SecurityHeaders, allow
from micropie_redis import RedisSessionBackend

PIES = {  # cents
    "apple": 350,
    "blueberry": 440,
    "cherry": 420,
    "lemon": 390,
    "peach": 410,
    "pumpkin": 380,
    "rhubarb": 430,
    "walnut": 460,
}
MAX_PIECES = 20
POPULAR = "cart:popular"  # a sorted set in Redis: how often each pie was put into a cart


class Shop(App):
    def __init__(self, redis: Redis):
        super().__init__(
            RedisSessionBackend(redis),
            template_dir=Path(__file__).parent / "templates",
            max_body_size=10_000,
        )
        self._redis = redis
        self.middlewares += [SecurityHeaders(), CrossOriginProtection()]
        # The backend closes no client that was lent to it: whoever made it does.
        self.shutdown_handlers.append(redis.aclose)

    async def index(self):
        cart = {pie: self.session[_key(pie)] for pie in PIES if _key(pie) in self.session}
        total = sum(PIES[pie] * pieces for pie, pieces in cart.items())
        popular = await self._redis.zrevrange(POPULAR, 0, 2)
        context = {"pies": PIES, "cart": cart, "total": total, "max_pieces": MAX_PIECES}
        return await self._render_template("index.html", popular=popular, **context)

    @allow("POST")
    async def put(self, pie: str, *, pieces: int):
        """Have so many pieces in the cart, which stays right if it is said twice."""
        if pie not in PIES:
            raise HTTPError(404)
        if not 0 <= pieces <= MAX_PIECES:
            raise HTTPError(422, f"A cart holds up to {MAX_PIECES} pieces of a pie.")
        # Only the keys that a request changes are written: one dict for the whole cart would be
        # written whole, and undo what another tab has put in meanwhile.
        if pieces == 0:
            self.session.pop(_key(pie), None)
        else:
            if _key(pie) not in self.session:
                await self._redis.zincrby(POPULAR, 1, pie)
            self.session[_key(pie)] = pieces
        return self._redirect(self._url_for("index"), status_code=303)


def _key(pie: str) -> str:
    """Return where in the session the pieces of a pie are."""
    return f"cart:{pie}"


def client() -> Redis:
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
    # Half a second for an answer: the backend gives up after two, with other tries in between.
    return Redis.from_url(url, socket_timeout=0.5, decode_responses=True)


app = Shop(client())
