"""How much one caller may ask for, one user be sent, and one address be wrong about who it is.

Each process counts for itself.
"""

from collections.abc import Hashable
from math import ceil

from msgspec import Struct

from notify.api.addresses import Address
from notify.core.buckets import Buckets, Rate
from notify.core.clock import Clock
from notify.core.errors import FieldError, TooManyCreatesError, TooManyRequestsError
from notify.core.identity import Caller
from notify.core.notification import Audience, Create
from notify.metrics import Metrics
from notify.settings import Settings

__all__ = ("RateLimits",)

_MOST_REMAINDERS = 10_000
_Header = tuple[bytes, bytes]


class _Limit(Struct, frozen=True):
    name: str
    buckets: Buckets[Hashable]
    policy: _Header
    shown: bytes
    """What is left, and when all will be again, to be filled in."""

    remainders: dict[int, _Header]
    """As it was shown before."""

    @classmethod
    def of(
        cls, name: str, per_second: float, burst: int, *, most: int, clock: Clock, metrics: Metrics
    ) -> "_Limit | None":
        if not per_second:
            return None
        buckets: Buckets[Hashable] = Buckets(Rate(per_second, burst), clock, most=most)
        metrics.limit_buckets.labels(name).set_function(lambda: len(buckets))
        metrics.limited.labels(name)
        quoted = b'"%b"' % name.encode()
        policy = quoted + b";q=%d;w=%d" % (burst, buckets.wait(burst))
        return cls(name, buckets, (b"ratelimit-policy", policy), quoted + b";r=%d;t=%d", {})

    def remaining(self, left: int) -> _Header:
        header = self.remainders.get(left)
        if header is None:
            rate = self.buckets.rate
            # At least one is missing, so that it is a second at least.
            header = (b"ratelimit", self.shown % (left, ceil((rate.burst - left) / rate.per_second)))
            if len(self.remainders) < _MOST_REMAINDERS:
                self.remainders[left] = header
        return header


class RateLimits:
    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics) -> None:
        def limit(name: str, per_second: float, burst: int) -> _Limit | None:
            return _Limit.of(name, per_second, burst, most=settings.max_buckets, clock=clock, metrics=metrics)

        self._metrics = metrics
        self._keys = limit("requests-per-key", settings.key_requests_per_second, settings.key_burst)
        self._users = limit("requests-per-user", settings.user_requests_per_second, settings.user_burst)
        self._recipients = limit(
            "creates-per-recipient", settings.recipient_creates_per_second, settings.recipient_burst
        )
        self._failures = limit(
            "failed-credentials", settings.failed_credentials_per_second, settings.failed_credentials_burst
        )

    def spend(self, caller: Caller, headers: list[_Header]) -> None:
        """A request of this caller, whose answer says in these headers what is left."""
        limit, key = self._of(caller)
        if limit is None:
            return
        left = limit.buckets.take(key)
        headers += limit.policy, limit.remaining(int(left) if left > 0 else 0)
        if left < 0:
            self._refuse_request(limit, left)

    def spend_message(self, caller: Caller) -> None:
        """The same for a create over a WebSocket, which has no headers."""
        limit, key = self._of(caller)
        if limit is not None and (left := limit.buckets.take(key)) < 0:
            self._refuse_request(limit, left)

    def _of(self, caller: Caller) -> tuple[_Limit | None, Hashable]:
        if caller.user_id is not None:
            return self._users, (caller.app_id, caller.user_id)
        # The admin key is the way in when all else is in trouble.
        return (None, None) if caller.key_id is None else (self._keys, caller.key_id)

    def _refuse_request(self, limit: _Limit, left: float) -> None:
        self._metrics.limited.labels(limit.name).inc()
        raise TooManyRequestsError(wait_seconds=limit.buckets.wait(-left))

    def spend_creates(self, app_id: str, asked: Create, user_ids: list[str]) -> None:
        """A create that names these users: for all of them, or for none."""
        limit = self._recipients
        if limit is None or (len(user_ids) == 1 and limit.buckets.take((app_id, user_ids[0])) >= 0):
            return
        keys: dict[Hashable, str] = {(app_id, user_id): user_id for user_id in user_ids}
        busy = limit.buckets.take_each(keys)
        if busy:
            self._metrics.limited.labels(limit.name).inc()
            raise TooManyCreatesError(
                errors=_pointers(asked, {keys[key] for key in busy}),
                wait_seconds=max(limit.buckets.wait(1 - limit.buckets.left(key)) for key in busy),
            )

    @property
    def has_failures(self) -> bool:
        """Whether anybody was wrong lately. As a rule nobody was, and no address has to be looked at."""
        return self._failures is not None and len(self._failures.buckets) > 0

    def is_suspect(self, source: Address | None) -> bool:
        """Whether too many wrong credentials came from there to go on trying which one is right."""
        limit = self._failures
        return limit is not None and source is not None and limit.buckets.left(source) < 1

    def count_failure(self, source: Address | None) -> None:
        limit = self._failures
        if limit is not None and source is not None and (left := limit.buckets.take(source)) < 0:
            self._metrics.limited.labels(limit.name).inc()
            raise TooManyRequestsError(
                "Too many credentials from this address were wrong, and so is this one. Wait as long as `Retry-After` "
                "says; the admin key is not taken from here meanwhile.",
                wait_seconds=limit.buckets.wait(-left),
            )


def _pointers(asked: Create, user_ids: set[str]) -> tuple[FieldError, ...]:
    assert not isinstance(asked.to, Audience)  # noqa: S101 - it names users
    detail = "This user was sent as much as may be for now (NOTIFY_RECIPIENT_CREATES_PER_SECOND)."
    if isinstance(asked.to, str):
        return (FieldError("/to", detail),)
    return tuple(FieldError(f"/to/{place}", detail) for place, user_id in enumerate(asked.to) if user_id in user_ids)
