"""Who is told when a doorbell rings: here at a commit, or in another process, or for want of hearing for a while."""

from msgspec import Struct

from notify.live.doorbell import (
    COMPARE_ALL,
    FLASHES,
    INBOXES,
    PUBLISHED,
    REVOKED,
    SESSIONS,
    Doorbell,
    flashes_in,
    heads_in,
    ids_in,
    rings_in,
)
from notify.live.flashing import Flashing
from notify.live.hub import Hub
from notify.live.pulling import Pulling
from notify.live.registry import Registry
from notify.store.broadcasts import Broadcasts
from notify.store.commits import Commit
from notify.store.flashes import Flash
from notify.store.outbox import Outbox

__all__ = ("Ringing",)


class Ringing(Struct, frozen=True):
    hub: Hub
    pulling: Pulling
    flashing: Flashing
    broadcasts: Broadcasts
    registry: Registry
    outbox: Outbox
    doorbell: Doorbell

    # What this process has done itself

    def committed(self, commits: list[Commit]) -> None:
        self.hub.committed(commits)
        self.doorbell.ring(commits)

    def published(self, heads: dict[str, int]) -> None:
        self._published_somewhere(heads)
        self.doorbell.ring_published(heads)

    def flashed(self, flashes: list[Flash]) -> None:
        self.flashing.written(flashes)
        self.doorbell.ring_flashes(flash.id for flash in flashes)

    # What is heard

    def listening(self) -> None:
        """Whatever rang before is found by looking."""
        self.outbox.ring()
        self._compare_all()

    def rung(self, payload: str) -> None:
        try:
            self._answer(payload)
        except ValueError:
            # Anyone with a connection to this database may ring. Looking does no harm.
            self.listening()

    def _answer(self, payload: str) -> None:
        if payload == "outbox":
            self.outbox.ring()
        elif payload == COMPARE_ALL:
            self._compare_all()
        elif payload.startswith(INBOXES):
            for inbox_id, epoch, head in rings_in(payload):
                self.hub.rung(inbox_id, epoch, head)
        elif payload.startswith(PUBLISHED):
            self._published_somewhere(heads_in(payload))
        elif payload.startswith(FLASHES):
            origin, ids = flashes_in(payload)
            if origin != self.doorbell.origin:
                self.flashing.rung(ids)
        elif payload.startswith(SESSIONS):
            self.registry.rung_sessions(ids_in(payload))
        elif payload.startswith(REVOKED):
            self.registry.rung_revoked(ids_in(payload))

    def _published_somewhere(self, heads: dict[str, int]) -> None:
        self.pulling.published(heads)
        self.broadcasts.published(heads)

    def _compare_all(self) -> None:
        self.hub.compare_all()
        self.registry.compare()
        self.broadcasts.compare_all()
