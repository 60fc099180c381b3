"""Sessions of a MicroPie app in Redis, and messages to all of its processes through it."""

from micropie_redis.backend import RedisSessionBackend
from micropie_redis.broadcast import RedisBroadcast

__all__ = ["RedisBroadcast", "RedisSessionBackend"]
