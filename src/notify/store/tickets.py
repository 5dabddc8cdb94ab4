"""Tickets: each opens one live connection, once over all processes. Of a ticket only its hash is kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from notify.core.clock import Clock
from notify.core.errors import ExpiredError, ForbiddenError, UnauthorizedError
from notify.core.identity import Caller, hash_key, is_ticket, make_ticket
from notify.store.database import Database

__all__ = ("Endpoint", "Ticket", "Tickets")

Endpoint = Literal["stream", "websocket"]

_LIFE = timedelta(seconds=30)


class Ticket(Struct, frozen=True):
    """A ticket at the one moment when it is shown."""

    ticket: str
    expires_at: datetime


class Tickets:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def make(self, holder: Caller, endpoint: Endpoint, origin: str | None) -> Ticket:
        """`holder` is who opens a connection with it, with what scopes, and until when they may stay."""
        assert holder.expires_at is not None  # noqa: S101 - whoever asks has given it an end
        now = self._clock.now()
        expires_at = min(now + _LIFE, datetime.fromtimestamp(holder.expires_at, now.tzinfo))
        new = make_ticket()
        await self._database.execute(
            "ticket_make",
            new.hash,
            holder.app_id,
            holder.user_id,
            endpoint,
            origin,
            sorted(holder.scopes),
            holder.is_admin,
            holder.token_id,
            holder.key_id,
            holder.issued_at,
            holder.expires_at,
            now,
            expires_at,
        )
        return Ticket(new.ticket, expires_at)

    async def spend(self, ticket: str, endpoint: Endpoint, origins: Sequence[str]) -> Caller:
        """Who opens a connection with it. `origins` are those that the page which brings it may have. Brought to
        another endpoint or from another origin it stays as good as it was, so that no other page can spend it for its
        owner.
        """
        rows = []
        if is_ticket(ticket):
            rows = await self._database.execute("ticket_spend", hash_key(ticket), endpoint, origins, self._clock.now())
        if not rows:
            raise UnauthorizedError("This ticket is unknown; make one with `POST /v1/tickets`.")
        (row,) = rows
        if not row["is_for_this"]:
            raise ForbiddenError("This ticket is for another endpoint; make one for this.")
        if not row["is_from_there"]:
            raise ForbiddenError("This ticket is for another origin; make one from the page that uses it.")
        if row["is_revoked"]:
            raise ExpiredError("What this ticket was made with is good for nothing any more; log in and make another.")
        if not row["is_spent_now"]:
            raise ExpiredError("This ticket is spent or has expired; make a new one for each connection.")
        return Caller(
            row["app_id"],
            frozenset(row["scopes"]),
            user_id=row["user_id"],
            key_id=row["key_id"],
            expires_at=row["ends_at"],
            token_id=row["token_id"],
            issued_at=row["issued_at"],
            is_admin=row["is_admin"],
        )
