"""Apps: the tenants, each with a secret for its user tokens."""

import asyncio
import secrets
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from functools import partial

from advanced_alchemy.filters import LimitOffset
from msgspec import Struct
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from notify.core.clock import Clock
from notify.core.errors import AppDisabledError, ConflictError, DatabaseAwayError, NotFoundError, SecretInSettingsError
from notify.core.identity import DEFAULT_APP
from notify.store.database import Connection, Database, Record
from notify.store.leases import Leases, run_out
from notify.store.resources import Repository, Resources
from notify.store.sealing import Sealing
from notify.store.tables import AppRow

__all__ = ("App", "Apps", "NewApp", "NewSecret", "Resealed", "Signing", "make_secret", "require_app")

_SECRET_BYTES = 48
_MOST_SIGNINGS = 10_000
_PATIENCE_SECONDS = 1.0

KEYS_GOOD_FOR = timedelta(hours=24)
"""How long keys that came from a URL are taken while it brings nothing new."""

FETCH_AGAIN_AFTER = timedelta(seconds=30)
"""How long after a fetch of keys began a token with an unknown one may ask for another."""


class App(Struct, frozen=True):
    id: str
    name: str
    created_at: datetime
    enabled: bool = True


class NewApp(Struct, frozen=True):
    """An app, and the secret for its user tokens at the one moment it is shown."""

    id: str
    name: str
    created_at: datetime
    jwt_secret: str


class NewSecret(Struct, frozen=True):
    """The secret for an app's user tokens at the one moment it is shown, and until when the one before it is taken."""

    jwt_secret: str
    before_until: datetime | None


class Resealed(Struct, frozen=True):
    """What became of the secrets in the database."""

    changed: int
    unchanged: int


class Signing(Struct, frozen=True):
    """How an app's tokens are verified. Stays the same object for as long as nothing of it changes."""

    secrets: tuple[str, ...]
    """The first signs, each verifies."""

    is_enabled: bool = True
    issuer: str | None = None
    audience: str | None = None
    document: str | None = None
    """The public keys."""

    digest: bytes | None = None
    has_url: bool = False
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    revocations: int = 0
    """How often some tokens of the app were revoked."""

    def may_get_keys(self, now: datetime) -> bool:
        """Whether a fetch of public keys is due or under way."""
        if not self.has_url:
            return False
        if self.begun_at is None or self.begun_at <= now - FETCH_AGAIN_AFTER:
            return True
        return self.ended_at is None or self.ended_at < self.begun_at


class _Apps(Repository[AppRow]):
    model_type = AppRow


class Apps:
    def __init__(
        self,
        resources: Resources,
        database: Database,
        clock: Clock,
        sealing: Sealing,
        *,
        given_secrets: tuple[str, ...] = (),
    ) -> None:
        """`given_secrets` are the default app's, in place of those in the database."""
        self._resources = resources
        self._database = database
        self._clock = clock
        self._sealing = sealing
        self._given_secrets = given_secrets
        self._given = Signing(secrets=given_secrets) if given_secrets else None
        self._leases = Leases(self._read_signing, clock)
        self._signings: dict[str, Signing] = {}

    async def create(self, app_id: str, name: str) -> NewApp:
        secret = make_secret()
        sealed = self._sealing.sealed(secret, _place("jwt_secret", app_id))
        row = AppRow(id=app_id, name=name, jwt_secret=sealed, created_at=self._clock.now())
        async with self._resources.session() as session:
            try:
                await _Apps.of(session).add(row)
                await session.commit()
            except IntegrityError as error:
                raise ConflictError(f"There is an app {app_id} already; choose another id.") from error
        return NewApp(row.id, row.name, row.created_at, secret)

    async def get(self, app_id: str) -> App:
        async with self._resources.session() as session:
            row = await _Apps.of(session).get_one_or_none(AppRow.id == app_id)
        if row is None:
            raise _no_such(app_id)
        return App(row.id, row.name, row.created_at, row.enabled)

    async def list_(self, limit: int, after: str | None, only: str | None) -> list[App]:
        """The apps past one, by id; `only` narrows to one app."""
        conditions = [AppRow.id > after] if after is not None else []
        if only is not None:
            conditions.append(AppRow.id == only)
        async with self._resources.session() as session:
            rows = await _Apps.of(session).get_many(*conditions, LimitOffset(limit, 0), order_by=[("id", False)])
        return [App(row.id, row.name, row.created_at, row.enabled) for row in rows]

    async def change(self, app_id: str, *, name: str | None = None, enabled: bool | None = None) -> App:
        """Of an app that is disabled no process takes a credential once this returns."""
        rows = await self._database.execute("app_change", app_id, name, enabled)
        if not rows:
            raise _no_such(app_id)
        if enabled is not None:
            await run_out(self._clock)
        return App(**dict(rows[0]))

    async def require_enabled(self, app_id: str) -> None:
        signing = await self.signing_of(app_id)
        if signing is not None and not signing.is_enabled:
            raise AppDisabledError

    # How tokens are verified

    def signing_of(self, app_id: str) -> Awaitable[Signing | None]:
        """As it was a moment ago at most."""
        return self._leases.get(app_id)

    def given_signing_of(self, app_id: str) -> Signing | None:
        """As far as the settings say it, without the database."""
        return self._given if app_id == DEFAULT_APP else None

    async def signs_with(self, app_id: str) -> Signing:
        """What to sign a token of this app with, and what it has to say."""
        signing = await self._read_signing(app_id)
        if signing is None or not signing.secrets:
            raise _no_such(app_id)
        return signing

    async def keep_secret(self, app_id: str) -> str:
        """The secret of an app that may have been made without one."""
        place = _place("jwt_secret", app_id)
        rows = await self._database.execute("keep_secret", app_id, self._sealing.sealed(make_secret(), place))
        return self._sealing.opened(rows[0]["jwt_secret"], place)

    async def rotate_secret(self, app_id: str, overlap: timedelta) -> NewSecret:
        """Returns when every process goes by the new one. Of older ones only the last is taken, for the overlap."""
        if app_id == DEFAULT_APP and self._given_secrets:
            raise SecretInSettingsError
        secret = make_secret()
        until = self._clock.now() + overlap if overlap else None
        await self._database.committed(partial(self._replace_secret, app_id, secret, until))
        await run_out(self._clock)
        return NewSecret(secret, until)

    async def reseal(self, sealing: Sealing) -> Resealed:
        """Keeps every secret as this sealing does."""
        changed = unchanged = 0
        for row in await self._database.fetch("apps_with_secrets"):
            for was_changed in await self._database.committed(partial(self._reseal, row["id"], sealing)):
                changed += was_changed
                unchanged += not was_changed
        return Resealed(changed, unchanged)

    async def _replace_secret(self, app_id: str, secret: str, until: datetime | None, connection: Connection) -> None:
        statements = self._database.statements
        row = await connection.fetchrow(statements["app_secrets"], app_id)
        if row is None:
            raise _no_such(app_id)
        before = None
        if until is not None and row["jwt_secret"] is not None:
            opened = self._sealing.opened(row["jwt_secret"], _place("jwt_secret", app_id))
            before = self._sealing.sealed(opened, _place("jwt_secret_before", app_id))
        sealed = self._sealing.sealed(secret, _place("jwt_secret", app_id))
        await connection.execute(
            statements["app_secrets_set"], app_id, sealed, before, None if before is None else until
        )

    async def _reseal(self, app_id: str, sealing: Sealing, connection: Connection) -> list[bool]:
        """Of each secret of the app, whether it is kept in another way now."""
        statements = self._database.statements
        row = await connection.fetchrow(statements["app_secrets"], app_id)
        assert row is not None  # noqa: S101 - apps are never deleted
        kept: dict[str, str | None] = {name: row[name] for name in ("jwt_secret", "jwt_secret_before")}
        stale = {name: text is not None and not sealing.is_newest(text) for name, text in kept.items()}
        for name, text in kept.items():
            if text is not None and stale[name]:
                place = _place(name, app_id)
                kept[name] = sealing.sealed(sealing.opened(text, place), place)
        if any(stale.values()):
            await connection.execute(
                statements["app_secrets_set"], app_id, *kept.values(), row["jwt_secret_before_until"]
            )
        return [stale[name] for name, text in kept.items() if text is not None]

    async def _read_signing(self, app_id: str) -> Signing | None:
        known = self._signings.get(app_id)
        is_at_hand = app_id == DEFAULT_APP and bool(self._given_secrets) and known is not None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS if is_at_hand else None):
                rows = await self._database.fetch("app_signing", app_id, None if known is None else known.digest)
        except (DatabaseAwayError, TimeoutError):
            # What needs no database is shown while it is away, to whom we know by a secret of our own.
            if is_at_hand:
                return known
            raise
        if not rows:
            return None
        signing = self._signing(app_id, rows[0], known)
        if signing == known:
            return known
        self._signings[app_id] = signing
        if len(self._signings) > _MOST_SIGNINGS:
            del self._signings[next(iter(self._signings))]
        return signing

    def _signing(self, app_id: str, row: Record, known: Signing | None) -> Signing:
        now = self._clock.now()
        has_url = row["url"] is not None
        document, digest = row["document"], row["digest"]
        if document is None and digest is not None and known is not None:
            document = known.document
        if has_url and digest is not None and row["fetched_at"] <= now - KEYS_GOOD_FOR:
            document = digest = None
        return Signing(
            self._secrets(app_id, row, now),
            row["enabled"],
            row["jwt_issuer"],
            row["jwt_audience"],
            document,
            digest,
            has_url,
            row["begun_at"],
            row["ended_at"],
            row["revocations"],
        )

    def _secrets(self, app_id: str, row: Record, now: datetime) -> tuple[str, ...]:
        if app_id == DEFAULT_APP and self._given_secrets:
            return self._given_secrets
        wanted: Sequence[str] = ("jwt_secret",)
        if row["jwt_secret_before"] is not None and row["jwt_secret_before_until"] > now:
            wanted = ("jwt_secret", "jwt_secret_before")
        return tuple(self._sealing.opened(row[name], _place(name, app_id)) for name in wanted if row[name] is not None)


async def require_app(session: AsyncSession, app_id: str) -> None:
    if await _Apps.of(session).get_one_or_none(AppRow.id == app_id) is None:
        raise _no_such(app_id)


def make_secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


def _place(column: str, app_id: str) -> str:
    return f"apps.{column} of {app_id}"


def _no_such(app_id: str) -> NotFoundError:
    return NotFoundError(f"There is no app {app_id}.")
