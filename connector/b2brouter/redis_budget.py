"""The common pace of all processes that share an API key, as a key in Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar, cast

import redis
from redis.exceptions import RedisError

from connector.domain.errors import OutsideError, UsageError
from connector.domain.pace import Pace, Slots

_PREFIX: Final = "b2b:budget:"
_FORGET: Final = 3600
"""Seconds after which an unused pace is forgotten."""
_TIME_OUT: Final = 3.0

T = TypeVar("T")


class RedisReservoir:
    """Keeps the pace of one key; what Redis loses, in a flush or a restart, is at most one burst."""

    def __init__(self, client: redis.Redis, name: str, *, requests_per_minute: float) -> None:
        """Share a pace.

        Args:
            client: connected on first use.
            name: tells keys apart without giving one away.
            requests_per_minute: the full rate.
        """
        self._client = client
        self._key = _PREFIX + name
        self._full = requests_per_minute / 60

    @classmethod
    def connect(cls, url: str, name: str, *, requests_per_minute: float) -> RedisReservoir:
        """Use the Redis at a URL; nothing is opened yet.

        Raises:
            UsageError: it is none of Redis.
        """
        try:
            client = _client(url)
        except ValueError:  # its words repeat parts of the URL
            raise UsageError("broker.url is not the URL of a Redis.", action="Give redis://HOST/0.") from None
        return cls(client, name, requests_per_minute=requests_per_minute)

    def reserve(self, slots: int, *, patience: float) -> Slots:
        """Take the next slots; none where the first is further away than `patience` seconds.

        Raises:
            OutsideError: Redis cannot be reached.
        """
        return self._change(lambda pace, now: pace.deal(now, slots, patience=patience))

    def slow_down(self, retry_after: float | None) -> None:
        """Lower the common rate.

        Raises:
            OutsideError: Redis cannot be reached.
        """
        self._change(lambda pace, now: (pace.slowed(now, retry_after), None))

    def _change(self, act: Callable[[Pace, float], tuple[Pace, T]]) -> T:
        """Read, compute and write; begun again when another process was faster. The clock is Redis's own."""

        def once(pipe: Any) -> Any:
            seconds, micros = pipe.time()
            known = json.loads(pipe.get(self._key) or "{}")
            after, given = act(Pace(full=self._full, **known), seconds + micros / 1e6)
            pipe.multi()
            pipe.set(self._key, json.dumps(_state(after)), ex=_FORGET)
            return given

        try:
            return cast(T, self._client.transaction(once, self._key, value_from_callable=True))
        except (RedisError, OSError, ValueError, TypeError) as error:
            raise OutsideError(f"Redis does not answer ({type(error).__name__}).") from error


@cache
def _client(url: str) -> redis.Redis:
    """One for all keys: it opens as many connections as threads ask at once, and keys may be thousands."""
    return redis.Redis.from_url(url, socket_timeout=_TIME_OUT, socket_connect_timeout=_TIME_OUT)


def _state(pace: Pace) -> dict[str, float | None]:
    return {
        "next_at": pace.next_at,
        "paused_until": pace.paused_until,
        "lowered": pace.lowered,
        "lowered_at": pace.lowered_at,
    }
