"""Apps: the tenants, each with a secret for its user tokens."""

import secrets
from datetime import datetime

from advanced_alchemy.filters import LimitOffset
from msgspec import Struct
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from notify.core.clock import Clock
from notify.core.errors import ConflictError, NotFoundError
from notify.store.database import Database
from notify.store.leases import Leases
from notify.store.resources import Repository, Resources
from notify.store.tables import AppRow

__all__ = ("App", "Apps", "LeasedApp", "NewApp", "make_secret", "require_app")

_SECRET_BYTES = 48


class App(Struct, frozen=True):
    id: str
    name: str
    created_at: datetime


class NewApp(Struct, frozen=True):
    """An app, and the secret for its user tokens at the one moment it is shown."""

    id: str
    name: str
    created_at: datetime
    jwt_secret: str


class LeasedApp(Struct, frozen=True):
    """What a token is held against, as it was a moment ago at most."""

    secret: str | None
    revocations: int


class _Apps(Repository[AppRow]):
    model_type = AppRow


class Apps:
    def __init__(self, resources: Resources, database: Database, clock: Clock) -> None:
        self._resources = resources
        self._database = database
        self._clock = clock
        self._leases = Leases(self._read, clock)

    async def create(self, app_id: str, name: str) -> NewApp:
        row = AppRow(id=app_id, name=name, jwt_secret=make_secret(), created_at=self._clock.now())
        async with self._resources.session() as session:
            try:
                await _Apps.of(session).add(row)
                await session.commit()
            except IntegrityError as error:
                raise ConflictError(f"There is an app {app_id} already; choose another id.") from error
        assert row.jwt_secret is not None  # noqa: S101 - set above
        return NewApp(row.id, row.name, row.created_at, row.jwt_secret)

    async def list_(self, limit: int, after: str | None, only: str | None) -> list[App]:
        """The apps past one, by id; `only` narrows to one app."""
        conditions = [AppRow.id > after] if after is not None else []
        if only is not None:
            conditions.append(AppRow.id == only)
        async with self._resources.session() as session:
            rows = await _Apps.of(session).get_many(*conditions, LimitOffset(limit, 0), order_by=[("id", False)])
        return [App(row.id, row.name, row.created_at) for row in rows]

    async def leased(self, app_id: str) -> LeasedApp | None:
        return await self._leases.get(app_id)

    async def secret_of(self, app_id: str) -> str | None:
        app = await self._read(app_id)
        return None if app is None else app.secret

    async def _read(self, app_id: str) -> LeasedApp | None:
        rows = await self._database.fetch("app_secret", app_id)
        return LeasedApp(rows[0]["jwt_secret"], rows[0]["revocations"]) if rows else None

    async def keep_secret(self, app_id: str) -> str:
        """The secret of an app that may have been made without one."""
        rows = await self._database.execute("keep_secret", app_id, make_secret())
        secret: str = rows[0]["jwt_secret"]
        return secret


async def require_app(session: AsyncSession, app_id: str) -> None:
    if await _Apps.of(session).get_one_or_none(AppRow.id == app_id) is None:
        raise NotFoundError(f"There is no app {app_id}.")


def make_secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)
