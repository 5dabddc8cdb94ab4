"""Everything notify counts. One registry per service, so that two in one process do not share figures."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

__all__ = ("Metrics",)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Metrics:
    content_type = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")  # which Litestar adds to any text

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "notify_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "notify_request_seconds",
            "Time from a request's head to its answer's end.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.jwks_fetches = Counter(
            "notify_jwks_fetches", "Fetches of apps' public keys, by what they came to.", ["outcome"], registry=registry
        )
        self.published = Counter("notify_published", "Publications to topics and to everyone.", registry=registry)
        self.flashed = Counter(
            "notify_flashed", "Notifications for whoever is connected, kept for nobody.", registry=registry
        )
        self.flashes_dropped = Counter(
            "notify_flashes_dropped",
            "What was not shown although it was for whoever is connected: to a connection that was busy, or by a "
            "process that had too many waiting or could not read them.",
            ["reason"],
            registry=registry,
        )
        self.broadcast_bytes = Gauge(
            "notify_broadcast_bytes",
            "Memory for the newest broadcasts, shown while the database is away.",
            registry=registry,
        )
        self.due = Counter(
            "notify_due", "Notifications that expired or came back from where they were snoozed to.", registry=registry
        )
        self.erased = Counter("notify_erased", "Rows erased with the users whom they were about.", registry=registry)
        self.pulled = Counter("notify_pulled", "Changes that publications made in inboxes.", registry=registry)
        self.created = Counter(
            "notify_created", "Notifications written, by where they came from.", ["source"], registry=registry
        )
        self.changed = Counter(
            "notify_changed", "Changes to notifications that took a position, by kind.", ["action"], registry=registry
        )
        self.acks = Counter("notify_acks", "Acknowledgements taken.", registry=registry)
        self.batch_rows = Histogram(
            "notify_batch_rows", "Rows that shared a group commit.", buckets=_ROWS, registry=registry
        )
        self.commit_seconds = Histogram(
            "notify_commit_seconds",
            "Time that a group commit took in the database.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch_retries = Counter(
            "notify_batch_retries", "Group commits tried again, by reason.", ["reason"], registry=registry
        )
        self.queued_rows = Gauge("notify_queued_rows", "Rows waiting for a group commit.", registry=registry)
        self.pool_connections = Gauge(
            "notify_pool_connections", "Database connections for statements on inboxes.", ["state"], registry=registry
        )
        self.outbox_rows = Gauge(
            "notify_outbox_rows",
            "Rows in the outbox: waiting to be written, scheduled for later, or set aside as failed.",
            ["state"],
            registry=registry,
        )
        self.outbox_age_seconds = Gauge(
            "notify_outbox_age_seconds", "How long the oldest row in the outbox is due.", registry=registry
        )
        self.purged = Counter("notify_purged", "Old rows removed, by kind.", ["kind"], registry=registry)
        self.retention_rows = Counter(
            "notify_retention_rows",
            "Notifications archived or deleted because they had stayed long enough.",
            ["action"],
            registry=registry,
        )
        self.retention_progress = Gauge(
            "notify_retention_progress",
            "How much of the round of retention is done, from 0 to 1; 1 if none is under way.",
            registry=registry,
        )
        self.retention_ended = Gauge(
            "notify_retention_ended_timestamp_seconds",
            "When the last round of retention was over, in seconds since 1970.",
            registry=registry,
        )
        self.listen_reconnects = Counter(
            "notify_listen_reconnects", "Times the LISTEN connection had to be made again.", registry=registry
        )

        self.connections = Gauge("notify_connections", "Live connections.", ["transport"], registry=registry)
        self.session_rows_waiting = Gauge(
            "notify_session_rows_waiting",
            "Live connections that the other processes have not been told of yet, come or gone.",
            registry=registry,
        )
        self.followed_inboxes = Gauge("notify_followed_inboxes", "Inboxes that somebody follows.", registry=registry)
        self.followers_behind = Gauge(
            "notify_followers_behind", "Connections that read from the database to catch up.", registry=registry
        )
        self.tail_bytes = Gauge("notify_tail_bytes", "Memory for the newest events.", registry=registry)
        self.events_sent = Counter("notify_events_sent", "Events sent.", ["transport"], registry=registry)
        self.wake_seconds = Histogram(
            "notify_wake_seconds",
            "Time from a commit to the last of its followers' sockets.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.socket_messages = Counter(
            "notify_socket_messages",
            "Messages of WebSocket clients, by type and whether they could be carried out.",
            ["type", "outcome"],
            registry=registry,
        )
        self.limited = Counter(
            "notify_limited",
            "Requests and connections that a limit turned away, by limit.",
            ["limit"],
            registry=registry,
        )
        self.limit_buckets = Gauge(
            "notify_limit_buckets",
            "Callers, users or addresses that a limit remembers because they used some of it lately.",
            ["limit"],
            registry=registry,
        )
        self.requests_under_way = Gauge(
            "notify_requests_under_way", "Requests that are being answered.", registry=registry
        )
        self.sockets = Gauge("notify_sockets", "TCP connections.", registry=registry)
        self.resets = Counter(
            "notify_resets", "Positions that could not be resumed from, by reason.", ["reason"], registry=registry
        )
        self.closes = Counter(
            "notify_closes",
            "Live connections that the service ended, by reason.",
            ["transport", "reason"],
            registry=registry,
        )

    def exposition(self) -> bytes:
        return generate_latest(self._registry)
