"""Does a read cost the same however much there is? Fills a database, then shows for every filter of the list, for the
counters, for `changes` and for what the background does: the plan, what it read, and how long it took.

    python tests/bench/growth.py [--sizes 1000,1000000] [--own 100000] [--binaries /usr/lib/postgresql/15/bin]

Every statement is planned twice, as PostgreSQL may at any time do either: for the values at hand (custom) and for any
values (generic). The costlier of the two is shown. Nothing is asserted here.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg.sql import SQL, Composed, Identifier, Literal

from notify.core.clock import SystemClock
from notify.core.position import Position
from notify.core.states import STATES_OF
from notify.store.database import Database, Record
from notify.store.embedded import EmbeddedPostgres
from notify.store.following import Following
from notify.store.inbox import Filters, Inboxes
from notify.store.many import InboxKey, Reader
from notify.store.migrate import Migrations
from notify.store.statements import Statements

APP = "default"
TYPICAL, HEAVY = "typical", "heavy"
TYPICAL_OWN = 300
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
LIMIT = 20
REPEATS = 40

# Half of what there is belongs to a tenth of the users; a tenth is unread, most is read, some archived, some deleted.
FILL = """
CREATE TEMPORARY TABLE drawn AS
SELECT 'user-' || floor({users} * random() ^ 3)::integer AS user_id, random() AS state, random() AS kind, n
FROM generate_series(1, {others}) AS n
UNION ALL
SELECT 'typical', random(), random(), n FROM generate_series(1, {typical}) AS n
UNION ALL
SELECT 'heavy', random(), random(), n FROM generate_series(1, {own}) AS n;

INSERT INTO notify.inboxes (app_id, user_id, head, arrived_at, pulled)
SELECT 'default', user_id, 2 * count(*), '2026-05-31Z', 0 FROM drawn GROUP BY user_id;

INSERT INTO notify.notifications (
    id, inbox_id, created_position, arrived_position, changed_position, type, level, title, body, data, collapse_key,
    created_at, arrived_at, updated_at, seen_at, read_at, archived_at, deleted_at
)
SELECT
    notify.uuid7(), inbox_id, place, place, CASE WHEN state < 0.05 THEN place ELSE place + many END,
    CASE
        WHEN place % (many / 3) = 0 THEN 'rare' WHEN kind < 0.5 THEN 'common' WHEN kind < 0.9 THEN 'kind-' || n % 20
    END,
    'info', 'Your table is ready', 'Table 7, by the window. We hold it for 15 minutes.', '{{"table": 7}}',
    CASE WHEN kind < 0.3 THEN 'key-' || n % 50 END,
    arrived_at, arrived_at, arrived_at + interval '1 hour',
    CASE WHEN state > 0.05 THEN arrived_at END,
    CASE WHEN state > 0.1 THEN arrived_at END,
    CASE WHEN state > 0.8 THEN arrived_at END,
    CASE WHEN state > 0.95 THEN arrived_at END
FROM (
    SELECT
        drawn.*, inbox.id AS inbox_id, row_number() OVER ordered AS place, greatest(count(*) OVER whole, 3) AS many,
        timestamptz '2026-01-01Z' + row_number() OVER ordered * (interval '150 days' / count(*) OVER whole)
            AS arrived_at
    FROM drawn JOIN notify.inboxes AS inbox USING (user_id)
    WINDOW ordered AS (PARTITION BY user_id ORDER BY n), whole AS (PARTITION BY user_id)
) AS placed;

INSERT INTO notify.type_counts (inbox_id, type, unread, unseen, total)
SELECT
    inbox_id, type, count(*) FILTER (WHERE state < 2), count(*) FILTER (WHERE state = 0),
    count(*) FILTER (WHERE state < 3)
FROM notify.notifications WHERE type IS NOT NULL GROUP BY inbox_id, type;

UPDATE notify.inboxes AS inbox SET unread = sums.unread, unseen = sums.unseen, total = sums.total
FROM (
    SELECT inbox_id, count(*) FILTER (WHERE state < 2) AS unread, count(*) FILTER (WHERE state = 0) AS unseen,
        count(*) FILTER (WHERE state < 3) AS total
    FROM notify.notifications GROUP BY inbox_id
) AS sums
WHERE inbox.id = sums.inbox_id;

INSERT INTO notify.outbox (user_id, title) SELECT 'user-' || n % 1000, 'waits' FROM generate_series(1, {waiting}) AS n;

INSERT INTO notify.idempotency (app_id, key_hash, part, request_hash, answer, created_at)
SELECT 'default', sha256(n::text::bytea), 0, '', '{{}}', timestamptz '2026-05-01Z' + n * interval '1 second'
FROM generate_series(1, {waiting}) AS n;
"""


class Cost(Struct, frozen=True):
    """What one execution took: pages touched, rows looked at, and by which ways."""

    buffers: int
    rows: int
    milliseconds: float
    ways: frozenset[str]
    mode: str


class Read(Struct, frozen=True):
    """Timed through the store, which says what it asks the database."""

    name: str
    work: Callable[[], Awaitable[Any]]


class Write(Struct, frozen=True):
    """Explained in a transaction that is rolled back, and timed by PostgreSQL."""

    name: str
    statement: str
    arguments: tuple[Any, ...]


class Line(Struct, frozen=True):
    cost: Cost
    milliseconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,1000000", help="notifications of all users together, with commas")
    parser.add_argument("--own", type=int, default=100_000, help="notifications of one user, at the largest size")
    parser.add_argument("--waiting", type=int, default=100_000, help="rows in the outbox, at the largest size")
    parser.add_argument("--binaries", type=Path, help="PostgreSQL's programs, instead of the embedded ones")
    asked = parser.parse_args()
    sizes = sorted(int(size) for size in asked.sizes.split(","))
    columns: dict[str, dict[str, Line]] = {}
    with _server(asked.binaries) as server:
        for size in sizes:
            own, waiting = (asked.own, asked.waiting) if size == sizes[-1] else (0, size)
            url = _filled(server, size, own, waiting)
            columns[f"{size:,}"] = asyncio.run(_measured(url, TYPICAL))
            if own:
                columns[f"{size:,}, own {own:,}"] = asyncio.run(_measured(url, HEAVY))
    sys.stdout.writelines(f"{line}\n" for line in _table(columns))


@contextmanager
def _server(binaries: Path | None) -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="notify-growth-") as folder:
        Path(folder).chmod(0o711)
        settings = {"fsync": "off", "shared_buffers": "1GB", "autovacuum": "off", "max_wal_size": "8GB"}
        server = EmbeddedPostgres(Path(folder) / "data", binaries=binaries, settings=settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _filled(server: EmbeddedPostgres, size: int, own: int, waiting: int) -> str:
    name = f"growth_{size}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    url = urlunsplit(urlsplit(server.url)._replace(path=f"/{name}"))
    Migrations(url, "notify").up()
    sql = FILL.format(users=max(size // 100, 1), others=size, typical=TYPICAL_OWN, own=own, waiting=waiting)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())
        connection.execute("VACUUM ANALYZE")
    return url


class _Overheard(Database):
    """A database that remembers what it was asked last."""

    asked: tuple[str, tuple[Any, ...]] = ("", ())

    async def fetch(self, statement: str, *arguments: Any) -> list[Record]:
        self.asked = (statement, arguments)
        return await super().fetch(statement, *arguments)


async def _settle_nothing(_keys: Sequence[InboxKey]) -> None:
    """Nothing is published here."""


async def _measured(url: str, user_id: str) -> dict[str, Line]:
    database = _Overheard(url, Statements("notify"), pool_size=2, timeout_seconds=4.5)
    await database.open()
    try:
        reader = Reader(database, SystemClock(), _settle_nothing)
        inboxes = Inboxes(reader, Following(reader))
        newest = (await inboxes.state(APP, user_id)).position
        lines: dict[str, Line] = {}
        for read in [*await _lists(inboxes, user_id), *_counts(inboxes, user_id), *_changes(inboxes, user_id, newest)]:
            milliseconds = await _median_of(read.work)
            cost = await asyncio.to_thread(_explained, url, database.statements, *database.asked)
            lines[read.name] = Line(cost, milliseconds)
        for write in _writes(user_id, newest.seq, await _some_id(inboxes, user_id)):
            cost = await asyncio.to_thread(_explained, url, database.statements, write.statement, write.arguments)
            lines[write.name] = Line(cost, cost.milliseconds)
        return lines
    finally:
        await database.close()


async def _lists(inboxes: Inboxes, user_id: str) -> list[Read]:
    middle, late = BEGINNING + timedelta(days=50), BEGINNING + timedelta(days=100)
    windows = {
        "": (None, None),
        " since": (middle, None),
        " until": (None, late),
        " since until": (middle, late),
        " of none": (NOW, None),
    }
    reads: list[Read] = []
    for status in STATES_OF:
        for type_ in (None, "common", "rare"):
            for window, (since, until) in windows.items():
                filters = Filters(status, type_, None, since, until)
                name = f"list {status}{f' {type_}' if type_ else ''}{window}"
                reads.append(Read(name, partial(inboxes.page, APP, user_id, filters, LIMIT, None)))
                if window in {"", " until"} and type_ != "rare":
                    cursor = await _deep_cursor(inboxes, user_id, filters)
                    reads.append(Read(f"{name}, deep", partial(inboxes.page, APP, user_id, filters, LIMIT, cursor)))
    return reads


async def _deep_cursor(inboxes: Inboxes, user_id: str, filters: Filters) -> str | None:
    """About half way down what the filters show."""
    cursors: list[str | None] = [None]
    while True:
        page = await inboxes.page(APP, user_id, filters, 100, cursors[-1])
        if page.next_cursor is None:
            return cursors[len(cursors) // 2]
        cursors.append(page.next_cursor)


def _counts(inboxes: Inboxes, user_id: str) -> list[Read]:
    types = ["common", "rare", "kind-1", "none such"]
    return [
        Read("count", partial(inboxes.count, APP, user_id, [])),
        Read("count of 4 types", partial(inboxes.count, APP, user_id, types)),
    ]


def _changes(inboxes: Inboxes, user_id: str, newest: Position) -> list[Read]:
    places = {"the start": 0, "the middle": newest.seq * 3 // 4, "the head": newest.seq}
    return [
        Read(f"changes from {name}", partial(inboxes.changes, APP, user_id, Position(newest.epoch, seq), LIMIT))
        for name, seq in places.items()
    ]


def _writes(user_id: str, head: int, id_: UUID) -> list[Write]:
    bulk = [
        Write(f"{mark}-all{of}{by}", "change_all", (APP, user_id, states, type_, arrived_by, mark, 500, NOW))
        for mark, states in (("read", [0, 1]), ("archive", [0, 1, 2]))
        for of, type_ in (("", None), (" common", "common"), (" rare", "rare"))
        for by, arrived_by in (("", head), (" before the first", 0))
    ]
    long_ago = NOW - timedelta(days=30)
    content = (["common"], ["info"], ["title"], [None], [None], [None], [None], [None], ["key-7"])
    return [
        *bulk,
        Write("create", "create", ([APP], [user_id], [UUID(int=1)], [1], *content, NOW, [None], [None], [NOW])),
        Write("collapse", "collapse", ([APP], [user_id], [id_], *content, NOW, [None], [None])),
        Write("look after a lost COMMIT", "written", ([id_], [APP], [user_id], ["key-7"])),
        Write("lock by id", "lock", ([], [], [id_])),
        Write("find tombstones", "purge_find", (long_ago, 500)),
        Write("forget answers", "forget_answers", (long_ago, 500)),
        Write("claim from the outbox", "outbox_claim", (NOW, 500)),
        Write("outbox depth", "outbox_depth", (NOW,)),
    ]


async def _some_id(inboxes: Inboxes, user_id: str) -> UUID:
    page = await inboxes.page(APP, user_id, Filters(), 1, None)
    return page.items[0].id


def _explained(url: str, statements: Statements, statement: str, arguments: Sequence[Any]) -> Cost:
    with psycopg.connect(url, autocommit=True) as connection:
        costs = [_cost(connection, statements[statement], arguments, mode) for mode in ("custom", "generic")]
    return max(costs, key=lambda cost: cost.buffers)


def _cost(connection: psycopg.Connection, sql: str, arguments: Sequence[Any], mode: str) -> Cost:
    connection.execute(SQL("SET plan_cache_mode = {}").format(Identifier(f"force_{mode}_plan")))
    connection.execute(f"PREPARE asked AS {sql}".encode())
    values = SQL(", ").join(Literal(list(each) if isinstance(each, tuple) else each) for each in arguments)
    explain = SQL("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE asked ({})").format(values)
    _explain(connection, explain)  # warms the caches
    explained = _explain(connection, explain)
    connection.execute("DEALLOCATE asked")
    plan = explained["Plan"]
    nodes = list(_nodes(plan))
    scans = [node for node in nodes if "Relation Name" in node and node["Node Type"] != "ModifyTable"]
    return Cost(
        buffers=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        rows=round(sum(_rows_read(node) for node in scans)),
        milliseconds=explained["Execution Time"],
        # The store's one row aside: reading all of that is what is wanted.
        ways=frozenset(_way(node) for node in scans if node["Relation Name"] != "store"),
        mode=mode,
    )


def _explain(connection: psycopg.Connection, explain: Composed) -> dict[str, Any]:
    with connection.transaction(force_rollback=True):
        row = connection.execute(explain).fetchone()
    assert row is not None
    explained: dict[str, Any] = row[0][0]
    return explained


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _rows_read(node: dict[str, Any]) -> float:
    each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float(each * node["Actual Loops"])


def _way(node: dict[str, Any]) -> str:
    name = node.get("Index Name")
    return name.removeprefix("notifications_") if name else f"{node['Node Type']} of {node['Relation Name']}"


async def _median_of(work: Callable[[], Awaitable[Any]]) -> float:
    times: list[float] = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        await work()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def _table(columns: dict[str, dict[str, Line]]) -> Iterator[str]:
    """One line a case: buffers, rows and milliseconds per column, then how the last compares with the first."""
    yield "buffers / rows read / median ms at so many notifications; x: the last column against the first\n"
    yield f"{'':34}" + "".join(f"{name:>26}" for name in columns) + "   buffers x    ms x  by way of (last column)"
    first, *_, last = columns.values()
    for name in first:
        lines = [column[name] for column in columns.values()]
        shown = "".join(f"{line.cost.buffers:>11} /{line.cost.rows:>5} /{line.milliseconds:>6.2f}" for line in lines)
        buffers = last[name].cost.buffers / max(first[name].cost.buffers, 1)
        slower = last[name].milliseconds / first[name].milliseconds
        ways = ", ".join(sorted(last[name].cost.ways))
        yield f"{name:34}{shown}{buffers:>12.1f}{slower:>8.1f}  {ways} ({last[name].cost.mode})"


if __name__ == "__main__":
    main()
