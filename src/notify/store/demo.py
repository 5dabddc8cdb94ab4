"""What the page for developers calls the service with: an app of its own, a key for it, and a role in the embedded
database. All of it is made when somebody first asks, and is worth nothing away from this machine.
"""

import asyncio
import hashlib
import os
import shlex
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Struct

from notify.core.api_keys import KeyProperties
from notify.core.clock import Clock
from notify.core.errors import ConflictError
from notify.core.identity import DEFAULT_APP, hash_key
from notify.store.apps import Apps
from notify.store.audit import Act, Audit
from notify.store.database import Database
from notify.store.embedded import open_private
from notify.store.keys import Keys

__all__ = ("DEMO_APP", "Asker", "Demo", "DemoGround")

DEMO_APP: Final = "notify-demo"
_ACTOR = "demo page"
_ROLE = "demo_producer"
_KEY_LIVES = timedelta(days=30)
_KEY_IS_OLD = timedelta(days=7)
_ONLY_FROM = ["127.0.0.0/8", "::1/128"]


class DemoGround(Struct, frozen=True):
    """Where a demo may be: beside an embedded database, of a service that listens to this machine alone."""

    folder: Path
    psql: Path


class Asker(Struct, frozen=True):
    """Whose request made something, for the audit log."""

    address: str
    request_id: str


class Demo:
    def __init__(self, parts: tuple[Apps, Keys, Audit, Database], clock: Clock, url: str, ground: DemoGround) -> None:
        """`url` is the embedded database's."""
        self._apps, self._keys, self._audit, self._database = parts
        self._clock = clock
        self._url = url
        self._ground = ground
        self._file = ground.folder / "demo.key"
        self._has_role = False
        # Two pages that open at once get the same key.
        self._lock = asyncio.Lock()

    async def key(self, asker: Asker) -> str:
        """The same for as long as it works, so that what was pasted somewhere goes on working."""
        async with self._lock:
            kept = self._kept()
            return kept if kept is not None and await self._works(kept) else await self._make(asker)

    async def psql(self, key: str) -> str:
        """A command of the shell that opens the embedded database as a role that may send, and read nothing."""
        password = hashlib.sha256(b"sql " + key.encode()).hexdigest()
        async with self._lock:
            if not self._has_role:
                await self._keep_role(password)
                self._has_role = True
        parts = urlsplit(self._url)
        url = urlunsplit(parts._replace(netloc=f"{quote(_ROLE)}:{password}@"))
        return shlex.join([str(self._ground.psql), url])

    def _kept(self) -> str | None:
        try:
            descriptor = open_private(self._file, os.O_RDONLY)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor) as file:
            return file.read().strip()

    async def _works(self, key: str) -> bool:
        found = await self._keys.find(hash_key(key))
        if found is None or found.caller.app_id != DEMO_APP or found.caller.expires_at is None:
            return False
        return found.caller.expires_at > (self._clock.now() + _KEY_IS_OLD).timestamp()

    async def _make(self, asker: Asker) -> str:
        await self._keep_app(asker)
        wanted = KeyProperties("demo page", ["send", "inbox"], self._clock.now() + _KEY_LIVES, _ONLY_FROM)
        async with self._audit.noted(_act(DEMO_APP, "createKey", asker, app=DEMO_APP, name=wanted.name)) as noted:
            made = await self._keys.create(DEMO_APP, wanted)
            noted.details["key_id"] = made.id
        self._file.unlink(missing_ok=True)
        with os.fdopen(open_private(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
            file.write(f"{made.key}\n")
        self._has_role = False
        return made.key

    async def _keep_app(self, asker: Asker) -> None:
        if await self._apps.list_(1, None, DEMO_APP):
            return
        async with self._audit.noted(_act(DEFAULT_APP, "createApp", asker, id=DEMO_APP)):
            with suppress(ConflictError):  # somebody else was quicker
                await self._apps.create(DEMO_APP, "Demo")

    async def _keep_role(self, password: str) -> None:
        async with self._database.transaction() as connection:
            await connection.fetch(self._database.statements["demo_password"], password)
            await connection.execute(self._database.statements["demo_role"])


def _act(app_id: str, action: str, asker: Asker, **about: object) -> Act:
    return Act(app_id, _ACTOR, action, about, None, asker.address, asker.request_id)
