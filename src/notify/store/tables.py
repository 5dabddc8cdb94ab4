"""The tables as SQLAlchemy sees them: models for apps and keys, and descriptions of the rest.

The migrations in `migrations/` are the truth; a test holds these against it.
"""

from datetime import datetime
from uuid import UUID

from advanced_alchemy.base import CommonTableAttributes
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ("ApiKeyRow", "AppRow", "metadata_for")

_SCHEMA = "notify"
_metadata = MetaData(schema=_SCHEMA)
_NAME = Text(collation="C")
_TIME = DateTime(timezone=True)


class _Row(CommonTableAttributes, DeclarativeBase):
    __abstract__ = True
    metadata = _metadata


class AppRow(_Row):
    __tablename__ = "apps"
    __table_args__ = (
        CheckConstraint("num_nulls(jwt_secret_before, jwt_secret_before_until) IN (0, 2)", name="apps_secret_before"),
    )

    id: Mapped[str] = mapped_column(_NAME, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    jwt_secret: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_TIME, server_default=func.now())
    enabled: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    jwt_secret_before: Mapped[str | None] = mapped_column(Text)
    jwt_secret_before_until: Mapped[datetime | None] = mapped_column(_TIME)
    jwt_issuer: Mapped[str | None] = mapped_column(Text)
    jwt_audience: Mapped[str | None] = mapped_column(Text)
    revocations: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class ApiKeyRow(_Row):
    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("key_hash", name="api_keys_key_hash"),
        Index("api_keys_app", "app_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    app_id: Mapped[str] = mapped_column(_NAME, ForeignKey("notify.apps.id"))
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(_TIME, server_default=func.now())
    last_used_at: Mapped[datetime | None] = mapped_column(_TIME)
    revoked_at: Mapped[datetime | None] = mapped_column(_TIME)
    expires_at: Mapped[datetime | None] = mapped_column(_TIME)
    allowed_addresses: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    types: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


Table(
    "jwks",
    _metadata,
    Column("app_id", _NAME, ForeignKey("notify.apps.id"), primary_key=True),
    Column("url", Text),
    Column("document", Text),
    Column("digest", LargeBinary),
    Column("begun_at", _TIME),
    Column("ended_at", _TIME),
    Column("fetched_at", _TIME),
    Column("failure", Text),
    CheckConstraint("url IS NOT NULL OR document IS NOT NULL", name="jwks_document"),
    CheckConstraint("num_nulls(document, digest) IN (0, 2)", name="jwks_digest"),
)

Table(
    "store",
    _metadata,
    Column("singleton", Boolean, primary_key=True, server_default=text("true")),
    Column("generation", Text, nullable=False, server_default=text("notify.random_name(4)")),
    Column("identity", Text),
    Column("outbox_doorbell", Boolean, nullable=False, server_default=text("true")),
    CheckConstraint("singleton", name="store_singleton_check"),
)

Table(
    "inboxes",
    _metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("app_id", _NAME, ForeignKey("notify.apps.id"), nullable=False),
    Column("user_id", _NAME, nullable=False),
    Column("epoch", Text, nullable=False, server_default=text("notify.random_name(6)")),
    Column("head", BigInteger, nullable=False, server_default=text("0")),
    Column("floor", BigInteger, nullable=False, server_default=text("0")),
    Column("unread", Integer, nullable=False, server_default=text("0")),
    Column("unseen", Integer, nullable=False, server_default=text("0")),
    Column("total", Integer, nullable=False, server_default=text("0")),
    Column("arrived_at", _TIME, nullable=False, server_default=text("'-infinity'")),
    Column("pulled", BigInteger),
    Column("due_at", _TIME),
    UniqueConstraint("app_id", "user_id", name="inboxes_user"),
    CheckConstraint("0 <= floor AND floor <= head", name="inboxes_positions"),
    CheckConstraint("0 <= unseen AND unseen <= unread AND unread <= total", name="inboxes_counters"),
)

Table(
    "type_counts",
    _metadata,
    Column("inbox_id", BigInteger, primary_key=True, autoincrement=False),
    Column("type", _NAME, primary_key=True),
    Column("unread", Integer, nullable=False),
    Column("unseen", Integer, nullable=False),
    Column("total", Integer, nullable=False),
)

Table(
    "notifications",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("inbox_id", BigInteger, nullable=False),
    Column("created_position", BigInteger, nullable=False),
    Column("arrived_position", BigInteger, nullable=False),
    Column("changed_position", BigInteger, nullable=False),
    Column("type", _NAME),
    Column("level", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text),
    Column("data", JSON),
    Column("url", Text),
    Column("actions", JSON),
    Column("actor", JSON),
    Column("collapse_key", Text),
    Column("collapsed_id", Uuid),
    Column("created_at", _TIME, nullable=False),
    Column("arrived_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    Column("seen_at", _TIME),
    Column("read_at", _TIME),
    Column("archived_at", _TIME),
    Column("deleted_at", _TIME),
    Column("topic", _NAME),
    Column("publication_id", Uuid),
    Column("progress", Double),
    Column("expires_at", _TIME),
    Column("snoozed_until", _TIME),
    Column(
        "state",
        SmallInteger,
        Computed("notify.state_of(seen_at, read_at, archived_at, snoozed_until, deleted_at)", persisted=True),
        nullable=False,
    ),
    CheckConstraint(
        "0 < created_position AND created_position <= arrived_position AND arrived_position <= changed_position",
        name="notifications_positions",
    ),
    CheckConstraint("read_at IS NULL OR seen_at IS NOT NULL", name="notifications_read_implies_seen"),
    CheckConstraint("progress BETWEEN 0 AND 1", name="notifications_progress"),
    CheckConstraint("archived_at IS NULL OR snoozed_until IS NULL", name="notifications_archived_or_snoozed"),
    Index("notifications_changes", "inbox_id", "changed_position", unique=True),
    Index("notifications_listing", "inbox_id", "state", "arrived_at", "arrived_position"),
    Index(
        "notifications_listing_by_type",
        "inbox_id",
        "type",
        "state",
        "arrived_at",
        "arrived_position",
        postgresql_where=text("type IS NOT NULL"),
    ),
    Index(
        "notifications_listing_by_topic",
        "inbox_id",
        "topic",
        "state",
        "arrived_at",
        "arrived_position",
        postgresql_where=text("topic IS NOT NULL"),
    ),
    Index(
        "notifications_collapse",
        "inbox_id",
        "collapse_key",
        "state",
        postgresql_where=text("collapse_key IS NOT NULL"),
    ),
    Index(
        "notifications_expiring",
        "inbox_id",
        "expires_at",
        postgresql_where=text("expires_at IS NOT NULL AND deleted_at IS NULL"),
    ),
    Index(
        "notifications_snoozed",
        "inbox_id",
        "snoozed_until",
        postgresql_where=text("snoozed_until IS NOT NULL AND deleted_at IS NULL"),
    ),
    Index("notifications_tombstones", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    Index(
        "notifications_publication",
        "publication_id",
        "inbox_id",
        unique=True,
        postgresql_where=text("publication_id IS NOT NULL"),
    ),
)

Table(
    "idempotency",
    _metadata,
    Column("app_id", _NAME, primary_key=True),
    Column("key_hash", LargeBinary, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Index("idempotency_created_at", "created_at"),
)

Table(
    "outbox",
    _metadata,
    Column("id", Uuid, primary_key=True, server_default=text("notify.uuid7()")),
    Column("app_id", _NAME, nullable=False, server_default=text("'default'")),
    Column("user_id", _NAME),
    Column("title", Text, nullable=False),
    Column("body", Text),
    Column("type", Text),
    Column("level", Text, nullable=False, server_default=text("'info'")),
    Column("data", JSON),
    Column("url", Text),
    Column("actions", JSON),
    Column("actor", JSON),
    Column("collapse_key", Text),
    Column("created_at", _TIME, nullable=False, server_default=func.now()),
    Column("failed_at", _TIME),
    Column("failure", Text),
    Column("user_ids", ARRAY(_NAME)),
    Column("topic", _NAME),
    Column("topics", ARRAY(_NAME)),
    Column("everyone", Boolean),
    Column("exclude", ARRAY(_NAME)),
    Column("progress", Double),
    Column("send_at", _TIME),
    Column("expires_at", _TIME),
    CheckConstraint("char_length(user_id) BETWEEN 1 AND 255", name="outbox_user_id"),
    CheckConstraint("char_length(title) BETWEEN 1 AND 255", name="outbox_title"),
    CheckConstraint("level IN ('info', 'success', 'warning', 'error')", name="outbox_level"),
    CheckConstraint("json_typeof(data) = 'object'", name="outbox_data"),
    CheckConstraint("json_typeof(actions) = 'array'", name="outbox_actions"),
    CheckConstraint("json_typeof(actor) = 'object'", name="outbox_actor"),
    CheckConstraint("num_nonnulls(user_id, user_ids, topic, topics, everyone) = 1", name="outbox_audience"),
    CheckConstraint("cardinality(user_ids) > 0", name="outbox_user_ids"),
    CheckConstraint("cardinality(topics) > 0", name="outbox_topics"),
    CheckConstraint("everyone", name="outbox_everyone"),
    CheckConstraint("progress BETWEEN 0 AND 1", name="outbox_progress"),
    CheckConstraint("send_at BETWEEN '1970-01-01Z' AND '9999-12-31Z'", name="outbox_send_at"),
    CheckConstraint(
        "expires_at > send_at AND expires_at BETWEEN '1970-01-01Z' AND '9999-12-31Z'", name="outbox_expires_at"
    ),
    Index("outbox_waiting", text("COALESCE(send_at, created_at)"), "id", postgresql_where=text("failed_at IS NULL")),
    Index("outbox_scheduled", "app_id", "send_at", "id", postgresql_where=text("send_at IS NOT NULL")),
)

Table(
    "releases",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("app_id", _NAME, nullable=False),
    Column("is_sent", Boolean, nullable=False),
    Column("ended_at", _TIME, nullable=False),
    Index("releases_ended_at", "ended_at"),
)


Table(
    "devices",
    _metadata,
    Column("inbox_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", _NAME, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("acked", BigInteger, nullable=False),
    Column("seen_at", _TIME, nullable=False),
    CheckConstraint("acked >= 0", name="devices_acked"),
    Index("devices_seen_at", "seen_at"),
)

Table(
    "acks",
    _metadata,
    Column("inbox_id", BigInteger, primary_key=True, autoincrement=False),
    Column("upto", BigInteger, primary_key=True, autoincrement=False),
    Column("acked_at", _TIME, nullable=False),
    Index("acks_acked_at", "acked_at"),
)

Table(
    "processes",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", _TIME, nullable=False),
    Column("seen_at", _TIME, nullable=False),
    Column("alive_until", _TIME, nullable=False),
    prefixes=["UNLOGGED"],
)

Table(
    "sessions",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("process_id", Uuid, nullable=False),
    Column("app_id", _NAME, nullable=False),
    Column("user_id", _NAME, nullable=False),
    Column("transport", Text, nullable=False),
    Column("device", _NAME),
    Column("connected_at", _TIME, nullable=False),
    Column("expires_at", _TIME),
    Column("token_id", _NAME),
    Column("key_id", Uuid),
    Column("issued_at", Double),
    Index("sessions_user", "app_id", "user_id", "id"),
    Index("sessions_process", "process_id", "id"),
    prefixes=["UNLOGGED"],
)

Table(
    "seen",
    _metadata,
    Column("app_id", _NAME, primary_key=True),
    Column("user_id", _NAME, primary_key=True),
    Column("seen_at", _TIME, nullable=False),
)

Table(
    "revocations",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("app_id", _NAME, nullable=False),
    Column("user_id", _NAME),
    Column("session_id", Uuid),
    Column("revoked_at", _TIME, nullable=False),
    Column("token_id", _NAME),
    Column("key_id", Uuid),
    Column("signed_out_at", _TIME),
    Column("ends_at", _TIME),
    CheckConstraint("num_nonnulls(user_id, session_id, token_id, key_id) <= 1", name="revocations_subject"),
    Index("revocations_revoked_at", "revoked_at"),
)

Table(
    "revoked_tokens",
    _metadata,
    Column("app_id", _NAME, primary_key=True),
    Column("token_id", _NAME, primary_key=True),
    Column("revoked_at", _TIME, nullable=False),
    Index("revoked_tokens_revoked_at", "revoked_at"),
)

Table(
    "sign_outs",
    _metadata,
    Column("app_id", _NAME, primary_key=True),
    Column("user_id", _NAME, primary_key=True),
    Column("signed_out_at", _TIME, nullable=False),
    Index("sign_outs_signed_out_at", "signed_out_at"),
)

Table(
    "tickets",
    _metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("app_id", _NAME, nullable=False),
    Column("user_id", _NAME, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("origin", _NAME),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("is_admin", Boolean, nullable=False),
    Column("token_id", _NAME),
    Column("key_id", Uuid),
    Column("issued_at", Double),
    Column("ends_at", Double, nullable=False),
    Column("made_at", _TIME, nullable=False),
    Column("expires_at", _TIME, nullable=False),
    Column("spent_at", _TIME),
    Index("tickets_made_at", "made_at"),
    prefixes=["UNLOGGED"],
)


Table(
    "topics",
    _metadata,
    Column("app_id", _NAME, ForeignKey("notify.apps.id"), primary_key=True),
    Column("topic", _NAME, primary_key=True),
    Column("self_service", Boolean, nullable=False),
    Column("late_entries", Integer),
    Column("late_seconds", Integer),
    Column("updated_at", _TIME, nullable=False),
)

Table(
    "subscriptions",
    _metadata,
    Column("app_id", _NAME, primary_key=True),
    Column("user_id", _NAME, primary_key=True),
    Column("topic", _NAME, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("is_late", Boolean, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Index("subscriptions_topic", "app_id", "topic", "user_id"),
)

Table(
    "logs",
    _metadata,
    Column("app_id", _NAME, ForeignKey("notify.apps.id"), primary_key=True),
    Column("head", BigInteger, nullable=False),
)

Table(
    "publications",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("app_id", _NAME, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("topics", ARRAY(_NAME), nullable=False),
    Column("excluded", ARRAY(_NAME), nullable=False),
    Column("type", _NAME),
    Column("level", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text),
    Column("data", JSON),
    Column("url", Text),
    Column("actions", JSON),
    Column("actor", JSON),
    Column("collapse_key", Text),
    Column("published_at", _TIME, nullable=False),
    Column("edited_at", _TIME),
    Column("recalled_at", _TIME),
    Column("progress", Double),
    Column("expires_at", _TIME),
    Index("publications_position", "app_id", "position", unique=True),
    Index(
        "publications_to_everyone",
        "app_id",
        "position",
        postgresql_where=text("topics = '{}' AND recalled_at IS NULL"),
    ),
    Index("publications_published_at", "published_at"),
)

Table(
    "entries",
    _metadata,
    Column("app_id", _NAME, primary_key=True),
    Column("key", _NAME, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("publication_id", Uuid, nullable=False),
    Column("change", Text, nullable=False),
    Column("entered_at", _TIME, nullable=False),
    CheckConstraint("change IN ('publish', 'edit', 'resurface', 'recall')", name="entries_change"),
    Index("entries_entered_at", "entered_at"),
)

Table(
    "flashes",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("app_id", _NAME, nullable=False),
    Column("user_ids", ARRAY(_NAME), nullable=False),
    Column("topics", ARRAY(_NAME), nullable=False),
    Column("excluded", ARRAY(_NAME), nullable=False),
    Column("notification", JSON, nullable=False),
    Column("made_at", _TIME, nullable=False),
    Index("flashes_made_at", "made_at"),
    prefixes=["UNLOGGED"],
)

Table(
    "retention",
    _metadata,
    Column("app_id", _NAME, ForeignKey("notify.apps.id"), primary_key=True),
    Column("type", _NAME, primary_key=True),
    Column("read_days", Integer),
    Column("unread_days", Integer),
    Column("action", Text, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    CheckConstraint("action IN ('archive', 'delete')", name="retention_action"),
)

Table(
    "retention_round",
    _metadata,
    Column("singleton", Boolean, primary_key=True, server_default=text("true")),
    Column("started_at", _TIME),
    Column("ended_at", _TIME, nullable=False, server_default=func.now()),
    Column("walked", BigInteger, nullable=False, server_default=text("0")),
    Column("upto", BigInteger, nullable=False, server_default=text("0")),
    Column("archived", BigInteger, nullable=False, server_default=text("0")),
    Column("deleted", BigInteger, nullable=False, server_default=text("0")),
    Column("worker", Uuid),
    Column("stepped_at", _TIME),
    CheckConstraint("singleton", name="retention_round_singleton_check"),
)

Table(
    "audit",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("app_id", _NAME, nullable=False),
    Column("at", _TIME, nullable=False),
    Column("actor", _NAME, nullable=False),
    Column("actor_name", Text),
    Column("action", _NAME, nullable=False),
    Column("about", JSONB, nullable=False),
    Column("user_id", _NAME, Computed("about ->> 'user_id'", persisted=True)),
    Column("address", Text),
    Column("request_id", Text),
    Column("status", Integer),
    Column("ended_at", _TIME),
    Index("audit_at", "at", "id"),
    Index("audit_app", "app_id", "at", "id"),
    Index("audit_user", "app_id", "user_id", "id", postgresql_where=text("user_id IS NOT NULL")),
    Index("audit_actor", "app_id", "actor", "id"),
)

Table(
    "operations",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("app_id", _NAME, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'running'")),
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    Column("total", BigInteger),
    Column("started_at", _TIME, nullable=False),
    Column("stepped_at", _TIME, nullable=False),
    Column("ended_at", _TIME),
    CheckConstraint("kind IN ('export', 'erase')", name="operations_kind"),
    CheckConstraint("state IN ('running', 'done', 'stopped')", name="operations_state"),
    Index("operations_running", "stepped_at", postgresql_where=text("state = 'running'")),
    Index("operations_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
)

Table(
    "erasures",
    _metadata,
    Column("operation_id", Uuid, ForeignKey("notify.operations.id"), primary_key=True),
    Column("app_id", _NAME, nullable=False),
    Column("user_id", _NAME, nullable=False),
    Column("phase", Text, nullable=False, server_default=text("'leave'")),
    Column("inbox_ids", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("left_at", _TIME),
    Column("due_at", _TIME, nullable=False),
    Column("worker", Uuid),
    Column("leased_until", _TIME),
    CheckConstraint("phase IN ('leave', 'remove', 'sweep')", name="erasures_phase"),
    Index("erasures_due_at", "due_at"),
)


def metadata_for(schema: str) -> MetaData:
    """The tables as they are in this schema."""
    described = MetaData(schema=schema)
    for table in _metadata.sorted_tables:
        table.to_metadata(described, schema=schema)
    return described
