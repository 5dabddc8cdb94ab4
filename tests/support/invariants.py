"""What must be true of a database at every moment, and the record that a test database keeps of all its changes."""

from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

__all__ = ("HOLES", "check_inboxes", "check_positions", "history", "keep_history", "rows")

# A state by the times alone, not by the generated column, so that a wrong expression there would show.
_RECOUNT = """
    SELECT
        inbox_id,
        coalesce(type, '') AS type,
        count(*) FILTER (WHERE is_there AND read_at IS NULL) AS unread,
        count(*) FILTER (WHERE is_there AND read_at IS NULL AND seen_at IS NULL) AS unseen,
        count(*) FILTER (WHERE is_there) AS total
    FROM notify.notifications
    CROSS JOIN LATERAL (
        SELECT num_nonnulls(deleted_at, archived_at, snoozed_until) = 0 AS is_there
    ) AS inbox
    GROUP BY inbox_id, coalesce(type, '')
"""

_WRONG_COUNTERS = f"""
    WITH recount AS ({_RECOUNT})
    SELECT inbox.user_id, inbox.unread, inbox.unseen, inbox.total, recounted.*
    FROM notify.inboxes AS inbox
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(unread), 0) AS unread_found,
            coalesce(sum(unseen), 0) AS unseen_found,
            coalesce(sum(total), 0) AS total_found
        FROM recount
        WHERE recount.inbox_id = inbox.id
    ) AS recounted
    WHERE (inbox.unread, inbox.unseen, inbox.total) <> (unread_found, unseen_found, total_found)
"""

_WRONG_TYPE_COUNTERS = f"""
    WITH recount AS ({_RECOUNT})
    SELECT inbox_id, type, counts.*, recount.*
    FROM (SELECT * FROM recount WHERE type <> '') AS recount
    FULL JOIN notify.type_counts AS counts USING (inbox_id, type)
    WHERE (coalesce(counts.unread, 0), coalesce(counts.unseen, 0), coalesce(counts.total, 0))
        <> (coalesce(recount.unread, 0), coalesce(recount.unseen, 0), coalesce(recount.total, 0))
"""

_WRONG_POSITIONS = """
    SELECT inbox.user_id, inbox.head, inbox.floor, notification.*
    FROM notify.notifications AS notification
    LEFT JOIN notify.inboxes AS inbox ON inbox.id = notification.inbox_id
    WHERE inbox.id IS NULL
        OR NOT (1 <= created_position AND created_position <= arrived_position AND arrived_position <= changed_position)
        OR changed_position > inbox.head
"""

_DUE_TOO_LATE = """
    SELECT inbox.user_id, inbox.due_at, notification.*
    FROM notify.notifications AS notification
    JOIN notify.inboxes AS inbox ON inbox.id = notification.inbox_id
    WHERE deleted_at IS NULL AND (due_at <= least(expires_at, snoozed_until)) IS NOT TRUE
        AND num_nonnulls(expires_at, snoozed_until) > 0
"""

_SHARED_POSITIONS = """
    SELECT inbox_id, changed_position, array_agg(id)
    FROM notify.notifications
    GROUP BY inbox_id, changed_position
    HAVING count(*) > 1
"""

# One row for each version of each notification, written by the transaction that made it, so that it is there if and
# only if that was committed. No unique index: two givings of one position are to be found, not refused.
_KEEP_HISTORY = """
    CREATE SCHEMA observed;
    CREATE TABLE observed.given (
        inbox_id bigint NOT NULL,
        position bigint NOT NULL,
        id uuid NOT NULL,
        arrived boolean NOT NULL,
        title text NOT NULL,
        transaction xid8 NOT NULL DEFAULT pg_current_xact_id()
    );
    CREATE INDEX ON observed.given (inbox_id, position);
    CREATE FUNCTION observed.note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO observed.given
        VALUES (NEW.inbox_id, NEW.changed_position, NEW.id, NEW.arrived_position = NEW.changed_position, NEW.title);
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER observed AFTER INSERT OR UPDATE ON notify.notifications
        FOR EACH ROW EXECUTE FUNCTION observed.note();
"""

# In any one snapshot, the positions given in an inbox are exactly 1 … head: a position given twice, left out, or
# committed before a lower one shows in whichever snapshot falls between.
HOLES = """
    SELECT inbox.user_id, inbox.head, count(given.position) AS given, count(DISTINCT given.position) AS different,
        max(given.position) AS highest
    FROM notify.inboxes AS inbox
    LEFT JOIN observed.given AS given ON given.inbox_id = inbox.id
    WHERE inbox.user_id LIKE %(users)s
    GROUP BY inbox.id
    HAVING count(given.position) <> inbox.head
        OR count(DISTINCT given.position) <> inbox.head
        OR coalesce(max(given.position), 0) <> inbox.head
"""


def check_inboxes(url: str) -> int:
    """Holds every inbox against a recount of its rows; how many inboxes that were."""
    wrong = {
        "counters differ from a recount": rows(url, _WRONG_COUNTERS),
        "counters by type differ from a recount": rows(url, _WRONG_TYPE_COUNTERS),
        "positions out of order or past the head": rows(url, _WRONG_POSITIONS),
        "one position on two rows": rows(url, _SHARED_POSITIONS),
        "due before anybody looks": rows(url, _DUE_TOO_LATE),
    }
    assert not any(wrong.values()), {what: found[:5] for what, found in wrong.items() if found}
    return len(rows(url, "SELECT FROM notify.inboxes"))


def keep_history(url: str) -> None:
    """From now on this database notes every position that is given, in the transaction that gives it."""
    with psycopg.connect(url) as connection:
        connection.execute(_KEEP_HISTORY)


def check_positions(url: str) -> int:
    """Holds every head against the positions given so far; how many those are. It holds at any moment."""
    holes = rows(url, HOLES, users="%")
    assert not holes, f"positions were given twice, left out, or committed out of order: {holes[:5]}"
    return int(rows(url, "SELECT count(*) AS given FROM observed.given")[0]["given"])


def history(url: str) -> list[dict[str, Any]]:
    """Every change there ever was, in the order of its inbox."""
    return rows(
        url,
        "SELECT user_id, position, given.id, arrived, title, transaction FROM observed.given"
        " JOIN notify.inboxes AS inbox ON inbox.id = inbox_id ORDER BY inbox_id, position",
    )


def rows(url: str, statement: LiteralString, *arguments: Any, **named: Any) -> list[dict[str, Any]]:
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, named or arguments or None).fetchall()
