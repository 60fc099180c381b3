"""RateLimit: so many requests of one address at once, and so many in the long run."""

import math
import time
from collections import OrderedDict

from micropie import HttpMiddleware


class RateLimit(HttpMiddleware):
    """A bucket for each address, out of which each request takes one token.

    Args:
        rate: tokens a second that flow into a bucket.
        burst: tokens that a bucket holds.
        methods: the methods that take one; None for all.
        max_addresses: those remembered; beyond that the one silent for longest is forgotten.

    Behind a proxy, have the server trust its headers, or all visitors share the proxy's bucket.
    Several workers have buckets of their own.
    """

    def __init__(self, rate: float, burst: int, methods=None, max_addresses: int = 100_000):
        self._rate = rate
        self._burst = burst
        self._methods = methods
        self._max_addresses = max_addresses
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def before_request(self, request):
        if self._methods is not None and request.method not in self._methods:
            return None
        address = request.client[0] if request.client else ""
        now = time.monotonic()
        tokens, since = self._buckets.pop(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        self._buckets[address] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._buckets) > self._max_addresses:
            self._buckets.popitem(last=False)
        if tokens >= 1:
            return None
        wait = math.ceil((1 - tokens) / self._rate)
        return {"status_code": 429, "body": "Slow down.", "headers": {"Retry-After": str(wait)}}
