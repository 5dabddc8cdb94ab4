"""Where inboxes stand, from memory, as long as that is what the database would say."""

from notify.core.clock import Clock
from notify.live.hub import Hub
from notify.live.listener import Listener
from notify.live.pulling import Pulling
from notify.store.many import InboxKey
from notify.store.rows import InboxState

__all__ = ("Known",)


class Known:
    def __init__(self, hub: Hub, listener: Listener, pulling: Pulling, clock: Clock) -> None:
        self._clock = clock
        self._hub = hub
        self._listener = listener
        self._pulling = pulling

    def state(self, app_id: str, user_id: str) -> InboxState | None:
        """None unless somebody follows the inbox, nothing of it is missing, and other processes would be heard."""
        is_current = self._listener.is_hearing and self._pulling.is_pulled(app_id)
        feed = self._hub.known(InboxKey(app_id, user_id)) if is_current else None
        if feed is None or (feed.due_at is not None and feed.due_at <= self._clock.now()):
            return None
        return feed.state
