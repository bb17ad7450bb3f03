"""The Redis backend: the distributed engine, on Redis 7.0 or later."""

from typedtasks.backends.redis.client import RedisBackend

__all__ = ["RedisBackend"]
