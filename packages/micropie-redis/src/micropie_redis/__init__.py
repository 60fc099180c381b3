"""Sessions of a MicroPie app in Redis."""

from micropie_redis.backend import RedisSessionBackend

__all__ = ["RedisSessionBackend"]
