"""Tokens that were revoked, one by one or all that a user was given up to a moment.

An app counts its revocations, and the count comes with the lease of its secret. So what was found of a token at one
count holds until another is seen, and an app that never revoked anything costs nothing.
"""

from collections.abc import Callable
from typing import NamedTuple

from notify.core.clock import Clock
from notify.core.errors import ExpiredError
from notify.core.identity import Caller
from notify.core.ids import uuid7
from notify.store.database import Database
from notify.store.leases import run_out
from notify.store.sessions import Revocation
from notify.store.together import Together

__all__ = ("Revoked",)

_TOKENS_PER_LOOK = 500
_MOST_FOUND = 10_000


class _Token(NamedTuple):
    app_id: str
    token_id: str | None
    user_id: str | None
    issued_at: float | None


class Revoked:
    def __init__(self, database: Database, clock: Clock, on_revoked: Callable[[Revocation], None]) -> None:
        self._database = database
        self._clock = clock
        self._on_revoked = on_revoked
        self._looks = Together(self._look, most=_TOKENS_PER_LOOK, timeout_seconds=database.timeout_seconds)
        self._found: dict[_Token, tuple[int, bool]] = {}
        """Whether tokens were revoked, and at which count of their app's revocations."""

    async def check(self, caller: Caller, revocations: int) -> None:
        """Refuses a user's token that was revoked. `revocations` is how often its app has revoked something."""
        if not revocations:
            return
        token = _Token(caller.app_id, caller.token_id, caller.user_id, caller.issued_at)
        count, is_revoked = self._found.get(token, (0, False))
        if count != revocations:
            is_revoked = await self._looks.get(token)
            self._found[token] = revocations, is_revoked
            if len(self._found) > _MOST_FOUND:
                del self._found[next(iter(self._found))]
        if is_revoked:
            raise ExpiredError("This token was revoked, or its user signed out; log in and get a fresh one.")

    async def revoke_token(self, app_id: str, token_id: str) -> None:
        """Returns when no process takes it any more."""
        revocation = Revocation(uuid7(), app_id, token_id=token_id)
        await self._database.execute("revoke_token", revocation.id, app_id, token_id, self._clock.now())
        self._on_revoked(revocation)
        await run_out(self._clock)

    async def sign_out(self, app_id: str, user_id: str) -> None:
        """Nothing that this user was given by now is good any more. Returns when no process takes it."""
        now = self._clock.now()
        revocation = Revocation(uuid7(), app_id, user_id=user_id, signed_out_at=now.timestamp())
        await self._database.execute("sign_out", revocation.id, app_id, user_id, now)
        self._on_revoked(revocation)
        await run_out(self._clock)

    async def _look(self, tokens: list[_Token]) -> dict[_Token, bool]:
        rows = await self._database.fetch("revoked", *map(list, zip(*tokens, strict=True)))
        return {token: row["is_revoked"] for token, row in zip(tokens, rows, strict=True)}
