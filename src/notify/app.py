"""The composition root: the one place that knows every part and puts them together."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from litestar.types import ASGIApp

from notify.api.addresses import ClientAddresses
from notify.api.application import application
from notify.api.auth import Authenticator
from notify.api.cors import Cors
from notify.api.doctor import Probing
from notify.api.envelope import Envelope
from notify.api.health import Readiness
from notify.api.hosts import checking_hosts
from notify.api.jwks_fetching import JwksFetching
from notify.api.lifespan import Lifespan
from notify.api.rate_limits import RateLimits
from notify.api.socket import SocketParts
from notify.api.verifying import Verifier, VerifierLimits
from notify.core.clock import Clock, SystemClock
from notify.core.identity import DEFAULT_APP
from notify.core.names import Origins
from notify.live.admission import Admission, AdmissionLimits
from notify.live.connection import Parts
from notify.live.doorbell import Doorbell
from notify.live.flashing import Flashing
from notify.live.hub import Hub, HubLimits
from notify.live.known import Known
from notify.live.listener import Listener
from notify.live.pulling import Pulling
from notify.live.registry import Registry
from notify.live.ringing import Ringing
from notify.live.roster import Roster
from notify.live.timing import Timing
from notify.metrics import Metrics
from notify.outbound import Outbound
from notify.settings import Settings
from notify.store.apps import Apps
from notify.store.audit import Audit
from notify.store.broadcasts import Broadcasts
from notify.store.bulk import BulkMarks
from notify.store.commits import Commit
from notify.store.database import Database
from notify.store.demo import Demo, DemoGround
from notify.store.devices import Devices
from notify.store.erasing import Erasing
from notify.store.exporting import Exports
from notify.store.flashes import Flash, Flashes
from notify.store.following import Following
from notify.store.housekeeping import Housekeeping
from notify.store.inbox import Inboxes
from notify.store.jwks import Jwks
from notify.store.keys import Keys
from notify.store.many import InboxKey, Reader
from notify.store.outbox import Outbox
from notify.store.policies import Policies
from notify.store.publications import Publications
from notify.store.receipts import Receipts
from notify.store.resources import Resources
from notify.store.retention import Kept, Retention
from notify.store.revoked import Revoked
from notify.store.scheduled import Scheduled
from notify.store.sealing import Sealing
from notify.store.sessions import Revocation, Sessions
from notify.store.settle import LateComers, Settle
from notify.store.snapshots import Snapshots
from notify.store.statements import Statements
from notify.store.subscriptions import Subscriptions
from notify.store.survey import Survey
from notify.store.tickets import Tickets
from notify.store.topics import Topics
from notify.store.writer import Writer

__all__ = ("Service",)

_JWKS_SECONDS = 3.0
_JWKS_BYTES = 64 * 1024


class Service:
    """All parts of one process. `settings` name a database and an admin key by now, given or found. There is a demo if
    it is said where.
    """

    def __init__(  # noqa: PLR0915 - a statement for each part
        self, settings: Settings, clock: Clock | None = None, demo: DemoGround | None = None
    ) -> None:
        assert settings.database_url is not None, "the caller finds or starts a database"  # noqa: S101
        assert settings.admin_key is not None, "the caller finds or makes an admin key"  # noqa: S101
        self.settings = settings
        self.clock = clock or SystemClock()
        self.metrics = Metrics()
        self.database = Database(
            settings.database_url,
            Statements(settings.schema),
            pool_size=settings.database_pool_size,
            timeout_seconds=settings.database_timeout_seconds,
            prepared_statements=settings.prepared_statements,
        )
        self.resources = Resources(
            settings.database_url,
            schema=settings.schema,
            pool_size=settings.resource_pool_size,
            prepared_statements=settings.prepared_statements,
            timeout_seconds=settings.database_timeout_seconds,
        )
        self.apps = Apps(
            self.resources,
            self.database,
            self.clock,
            Sealing(settings.encryption_key),
            given_secrets=settings.jwt_secrets,
        )
        self.jwks = Jwks(self.database, self.clock)
        self.jwks_fetching = JwksFetching(
            self.jwks,
            Outbound(
                timeout_seconds=_JWKS_SECONDS,
                most_bytes=_JWKS_BYTES,
                private_addresses=settings.jwks_private_addresses,
            ),
            self.clock,
            self.metrics,
        )
        self.keys = Keys(self.resources, self.database, self.clock, self._revoked)
        self.revoked = Revoked(self.database, self.clock, self._revoked)
        self.tickets = Tickets(self.database, self.clock)
        self.audit = Audit(self.database, self.clock)
        self.writer = Writer(
            self.database,
            self.clock,
            self.metrics,
            batch_rows=settings.commit_rows,
            queue_rows=settings.write_queue_rows,
            idempotency_live=timedelta(hours=settings.idempotency_hours),
            edits_per_second=settings.edits_per_second,
            on_commit=self._committed,
            on_publish=self._published,
            on_schedule=self._scheduled,
            on_flash=self._flashed,
        )
        self.scheduled = Scheduled(self.database, self.clock)
        self.settle = Settle(
            self.database,
            self.writer,
            self.clock,
            self.metrics,
            LateComers(settings.late_entries, timedelta(seconds=settings.late_seconds)),
        )
        self.publications = Publications(
            self.database, self.clock, self._published, edits_per_second=settings.edits_per_second
        )
        self.broadcasts = Broadcasts(self.database, self.clock, self.metrics, most_bytes=settings.broadcast_bytes)
        self.reader = Reader(self.database, self.clock, self.settle.settle)
        self.following = Following(self.reader)
        self.inboxes = Inboxes(self.reader, self.following)
        self.bulk_marks = BulkMarks(self.database, self.inboxes, self.clock, self.metrics, self._committed)
        self.outbox = Outbox(
            self.database,
            self.writer,
            self.clock,
            self.metrics,
            settings.limits,
            rows=settings.outbox_rows,
            poll_seconds=settings.outbox_poll_seconds,
        )
        self.housekeeping = Housekeeping(
            self.database,
            self.clock,
            self.metrics,
            tombstones_live=timedelta(days=settings.tombstone_days),
            answers_live=timedelta(hours=settings.idempotency_hours),
            devices_live=timedelta(days=settings.device_days),
            publications_live=timedelta(days=settings.publication_days),
            tokens_live=timedelta(seconds=settings.max_token_ttl_seconds),
            audit_live=timedelta(days=settings.audit_days),
            pause_seconds=settings.housekeeping_seconds,
        )
        self.policies = Policies(self.database, self.clock)
        self.survey = Survey(self.database, self.clock, _kept(settings))
        self.retention = Retention(
            self.database,
            self.writer,
            self.clock,
            self.metrics,
            _kept(settings),
            every=timedelta(hours=settings.retention_hours),
        )
        self.snapshots = Snapshots(self.reader)
        self.devices = Devices(self.database)
        self.topics = Topics(self.database, self.clock)
        self.subscriptions = Subscriptions(
            self.database, self.topics, self.settle, self.clock, most_per_user=settings.max_subscriptions_per_user
        )
        self.timing = Timing(self.following, self.settle, self.clock)
        self.hub = Hub(
            self.following,
            self.clock,
            self.metrics,
            HubLimits(
                tail_bytes=settings.tail_bytes,
                all_tails_bytes=settings.all_tails_bytes,
                grace_seconds=settings.feed_grace_seconds,
                safety_poll_seconds=settings.safety_poll_seconds,
            ),
            on_due=self.timing.watch,
        )
        self.pulling = Pulling(self.hub, self.settle, self.clock)
        self.flashing = Flashing(self.hub, Flashes(self.database), self.metrics)
        self.roster = Roster(
            self.clock,
            self.metrics,
            keep_alive_seconds=settings.keep_alive_seconds,
            send_timeout_seconds=settings.send_timeout_seconds,
            most_per_user=settings.max_connections_per_user,
        )
        self.admission = Admission(
            self.roster,
            self.clock,
            self.metrics,
            AdmissionLimits(
                connections=settings.max_connections,
                connections_per_address=settings.max_connections_per_address,
                connects_per_second=settings.connects_per_second,
                connect_burst=settings.connect_burst,
            ),
        )
        self.rate_limits = RateLimits(settings, self.clock, self.metrics)
        self.doorbell = Doorbell(settings.database_url, settings.schema, self.clock)
        self.sessions = Sessions(self.database)
        self.registry = Registry(
            self.sessions,
            self.roster,
            self.doorbell,
            self.clock,
            self.metrics,
            live_seconds=settings.presence_seconds,
            poll_seconds=settings.safety_poll_seconds,
        )
        self.roster.watcher = self.registry
        self.receipts = Receipts(self.database, self.clock)
        self.exports = Exports(self.database, self.receipts, self.clock)
        self.erasing = Erasing(
            self.database,
            self.clock,
            self.metrics,
            end_connections=self._end_connections,
            on_commit=self._committed,
            heard_within=timedelta(seconds=settings.presence_seconds),
        )
        self.ringing = Ringing(
            self.hub, self.pulling, self.flashing, self.broadcasts, self.registry, self.outbox, self.doorbell
        )
        self.listener = Listener(
            settings.listen_database_url or settings.database_url,
            settings.schema,
            self.clock,
            self.metrics,
            on_connect=self.ringing.listening,
            on_ring=self.ringing.rung,
        )
        self.authenticator = Authenticator(
            self.apps,
            self.keys,
            Verifier(
                self.apps,
                self.revoked,
                self.clock,
                VerifierLimits(settings.token_leeway_seconds, settings.max_token_ttl_seconds),
                self.jwks_fetching.ask,
            ),
            self.tickets,
            self.clock,
            admin_key=settings.admin_key,
            trusted_origins=Origins(settings.cors_origins),
        )
        demo_parts = (self.apps, self.keys, self.audit, self.database)
        self.demo = None if demo is None else Demo(demo_parts, self.clock, settings.database_url, demo)
        self.asgi = self.serving(application())

    def serving(self, routes: ASGIApp) -> ASGIApp:
        """These routes with everything around them."""
        return Lifespan(
            Envelope(
                checking_hosts(Cors(routes, self.settings.cors_origins), self.settings.allowed_hosts),
                self._parts(),
                self.metrics,
                body_timeout_seconds=self.settings.body_timeout_seconds,
                most_requests=self.settings.max_requests,
            ),
            self.running,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        """Everything that works in the background, from the first connection to the last write."""
        async with AsyncExitStack() as stack:
            await self.database.open()
            stack.push_async_callback(self.database.close)
            stack.push_async_callback(self.resources.close)
            await self.database.execute("set_doorbell", self.settings.outbox_doorbell)
            await self.keep_default_secret()
            self.writer.start()
            stack.push_async_callback(self.writer.stop)
            for part in (
                self.hub,
                self.pulling,
                self.flashing,
                self.broadcasts,
                self.timing,
                self.roster,
                self.doorbell,
                self.registry,
                self.outbox,
                self.housekeeping,
                self.retention,
                self.jwks_fetching,
                self.erasing,
                self.listener,
            ):
                part.start()
                stack.push_async_callback(part.stop)
            yield self

    async def keep_default_secret(self) -> None:
        """Gives the default app a secret for its user tokens, unless the settings name one."""
        if self.settings.jwt_secret is None:
            await self.apps.keep_secret(DEFAULT_APP)
        # Known from the start, for when the database is away.
        await self.apps.signing_of(DEFAULT_APP)

    # The writer is made before those who are told of what it writes.

    def _committed(self, commits: list[Commit]) -> None:
        self.ringing.committed(commits)

    def _published(self, heads: dict[str, int]) -> None:
        self.ringing.published(heads)

    def _flashed(self, flashes: list[Flash]) -> None:
        self.ringing.flashed(flashes)

    def _scheduled(self) -> None:
        self.outbox.ring()

    def _revoked(self, revocation: Revocation) -> None:
        self.registry.revoked(revocation)

    async def _end_connections(self, key: InboxKey) -> None:
        """Of a user who is erased, and whose tokens would otherwise begin another life."""
        await self.revoked.sign_out(*key)
        await self.registry.revoke_user(key)

    def _parts(self) -> Mapping[str, Any]:
        """By the names that handlers ask for them."""
        live = Parts(self.hub, self.snapshots, self.devices, self.clock, self.metrics, self.roster)
        return {
            "admission": self.admission,
            "addresses": ClientAddresses([ip_network(each) for each in self.settings.trusted_proxies]),
            "apps": self.apps,
            "audit": self.audit,
            "authenticator": self.authenticator,
            "broadcasts": self.broadcasts,
            "bulk_marks": self.bulk_marks,
            "clock": self.clock,
            "database": self.database,
            "demo": self.demo,
            "devices": self.devices,
            "erasing": self.erasing,
            "exports": self.exports,
            "hub": self.hub,
            "keys": self.keys,
            "inboxes": self.inboxes,
            "jwks": self.jwks,
            "jwks_fetching": self.jwks_fetching,
            "known": Known(self.hub, self.listener, self.pulling, self.clock),
            "metrics": self.metrics,
            "outbox": self.outbox,
            "parts": live,
            "policies": self.policies,
            "probing": Probing(self.roster),
            "publications": self.publications,
            "rate_limits": self.rate_limits,
            "readiness": Readiness(self.database, self.listener, self.roster),
            "receipts": self.receipts,
            "registry": self.registry,
            "revoked": self.revoked,
            "roster": self.roster,
            "scheduled": self.scheduled,
            "sessions": self.sessions,
            "settings": self.settings,
            "socket_parts": SocketParts(
                live,
                self.roster,
                self.admission,
                self.rate_limits,
                self.writer,
                self.bulk_marks,
                self.authenticator,
                self.clock,
                self.settings,
            ),
            "subscriptions": self.subscriptions,
            "tickets": self.tickets,
            "topics": self.topics,
            "writer": self.writer,
        }


def _kept(settings: Settings) -> Kept:
    return Kept(settings.retention_read_days, settings.retention_unread_days)
