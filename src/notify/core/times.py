"""When a notification is sent, until when it lasts, and until when it may be put off."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta

from notify.core.errors import InvalidError

__all__ = ("FURTHEST_AHEAD", "Seconds", "Time", "expiry", "in_utc", "put_off_until", "send_time")

FURTHEST_AHEAD = timedelta(days=400)

Time = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[int, Meta(ge=1, le=int(FURTHEST_AHEAD.total_seconds()))]


def in_utc(pointer: str, time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise InvalidError.at(pointer, "In UTC this time is not within the years 1 to 9999.") from error


def send_time(send_at: datetime | None, now: datetime) -> datetime | None:
    """None means at once, as does what is past."""
    if send_at is None:
        return None
    time = in_utc("/send_at", send_at)
    _check_ahead("/send_at", time, now)
    return time if time > now else None


def expiry(expires_at: datetime | None, ttl_seconds: int | None, sent_at: datetime) -> datetime | None:
    """Until when it lasts if it is sent at that time."""
    if ttl_seconds is not None:
        if expires_at is not None:
            raise InvalidError.at("/ttl_seconds", "Send either `expires_at` or `ttl_seconds`, not both.")
        return sent_at + timedelta(seconds=ttl_seconds)
    if expires_at is None:
        return None
    time = in_utc("/expires_at", expires_at)
    if time <= sent_at:
        raise InvalidError.at("/expires_at", "It would be over before it is sent; name a time after that.")
    return time


def put_off_until(until: datetime, now: datetime) -> datetime:
    time = in_utc("/until", until)
    if time <= now:
        raise InvalidError.at("/until", "This is past already; name a time to come.")
    _check_ahead("/until", time, now)
    return time


def _check_ahead(pointer: str, time: datetime, now: datetime) -> None:
    if time - now > FURTHEST_AHEAD:
        raise InvalidError.at(pointer, f"At most {FURTHEST_AHEAD.days} days ahead.")
