"""One group of commands, applied on one connection: by the writer, and by the outbox within its own transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from notify.core.errors import AckRefusedError, IdempotencyBusyError, IdempotencyMismatchError, ProblemError
from notify.core.position import Position
from notify.store.commands import (
    AckCommand,
    ChangeCommand,
    Changed,
    Command,
    CreateCommand,
    IdempotencyKey,
    PublishCommand,
    Sent,
    SentItem,
    Steps,
)
from notify.store.commits import Commit, Created
from notify.store.database import Connection, Record
from notify.store.publishing import find_published, publish
from notify.store.rows import content_columns, inbox_state, notification_from
from notify.store.statements import Statements

__all__ = ("EDITABLE", "MOST_STEPS", "Batch", "Outcome")

MOST_STEPS = 32
"""What a transaction may be asked to do one after the other, since it holds its inboxes all the while."""

Outcome = Sent | Changed | ProblemError | None
C = TypeVar("C", bound=Command)

EDITABLE = ("title", "body", "level", "data", "url", "actions", "actor")
_MOST_DEVICES = 100
_ACK_REFUSED = {
    "epoch": "This position is of an inbox that was started over; take the position of what you get from now on.",
    "ahead": "The inbox has not been at that position; acknowledge what you were sent.",
    "backwards": "This device has acknowledged a later position already.",
    "devices": f"A user has at most {_MOST_DEVICES} devices; forget one with DELETE /v1/devices.",
}
_decode_sent = msgspec.json.Decoder(Sent).decode


class Batch:
    """Commands that are applied together, step after step. No idempotency key comes twice."""

    def __init__(self, commands: Sequence[Command], statements: Statements, at: datetime, keys_live: timedelta) -> None:
        self.commands = commands
        self._statements = statements
        self._at = at
        self._keys_from = at - keys_live
        self._outcomes: dict[int, Outcome] = {}
        self._locked: set[UUID] = set()
        self.commits: list[Commit] = []
        """What `apply` did, to be told once it is committed."""
        self.published: dict[str, int] = {}
        """And where the publication logs stand that it wrote to."""

        self._publishes = {n: command for n, command in enumerate(commands) if isinstance(command, PublishCommand)}
        self._creates = {n: command for n, command in enumerate(commands) if isinstance(command, CreateCommand)}
        self._changes = {n: command for n, command in enumerate(commands) if isinstance(command, ChangeCommand)}
        self._acks = {n: command for n, command in enumerate(commands) if isinstance(command, AckCommand)}
        steps = Steps()
        self._step_of = [steps.add(command) for command in commands]

    @property
    def is_one_statement(self) -> bool:
        """Whether a single statement does it all, so that it needs no transaction around it."""
        if self._changes or (self._acks and self._creates) or any(self._step_of):
            return False
        if self._publishes:
            return len(self._publishes) == len(self.commands) and not any(
                publish.key for publish in self._publishes.values()
            )
        return not any(
            create.key is not None or create.content.collapse_key is not None for create in self._creates.values()
        )

    async def apply(self, connection: Connection, *, perhaps_written: bool = False) -> list[Outcome]:
        """`perhaps_written`: a connection was lost while these commands were under way (law 3). They are then looked
        for and written under one lock: what is late to reach the server cannot come between.
        """
        if perhaps_written:
            await self._answer_what_is_published(connection)
            await self.lock(connection)
            await self._answer_what_is_written(connection)
            claimed = await self._claim_keys(connection)
            await self._publish(connection)
        else:
            claimed = await self._claim_keys(connection)
            await self._publish(connection)
            if not self.is_one_statement:
                await self.lock(connection)
        creates = {n: create for n, create in self._creates.items() if n not in self._outcomes}
        for step in range(max(self._step_of, default=-1) + 1):
            await self._create(connection, self._of_step(step, creates))
            await self._change(connection, self._of_step(step, self._changes))
            await self._ack(connection, self._of_step(step, self._acks))
        await self._keep_answers(connection, claimed)
        return [self._outcomes[n] for n in range(len(self.commands))]

    def _of_step(self, step: int, commands: dict[int, C]) -> dict[int, C]:
        return {n: command for n, command in commands.items() if self._step_of[n] == step}

    async def lock(self, connection: Connection) -> None:
        """Locks every inbox that the commands touch. A notification that is stored only after this is not touched,
        since nobody has locked its inbox.
        """
        creates = [create for n, create in self._creates.items() if n not in self._outcomes]
        inboxes = {(create.app_id, to.user_id) for create in creates for to in create.recipients}
        rows = await connection.fetch(
            self._statements["lock"],
            [app_id for app_id, _ in inboxes],
            [user_id for _, user_id in inboxes],
            [change.id for change in self._changes.values()],
        )
        self._locked = {row["id"] for row in rows}

    async def _answer_what_is_written(self, connection: Connection) -> None:
        asked = [(recipient, create) for create in self._creates.values() for recipient in create.recipients]
        rows = await connection.fetch(
            self._statements["written"],
            [recipient.id for recipient, _ in asked],
            [create.app_id for _, create in asked],
            [recipient.user_id for recipient, _ in asked],
            [create.content.collapse_key for _, create in asked],
        )
        found = {row["create_id"]: row for row in rows}
        for n, create in self._creates.items():
            written = [(to, found[to.id]) for to in create.recipients if to.id in found]
            # All of a create is in one transaction, so one recipient stands for all.
            if not any(row["is_certain"] for _, row in written):
                continue
            self._outcomes[n] = Sent.of(create, [_item(row["id"], to.user_id, row) for to, row in written])
            self.commits += [
                Commit(create.app_id, to.user_id, row["inbox_id"], inbox_state(row), row["position"], "notification")
                for to, row in written
            ]

    async def _answer_what_is_published(self, connection: Connection) -> None:
        if not self._publishes:
            return
        ids, heads = await find_published(connection, self._statements, list(self._publishes.values()))
        self.published |= heads
        self._outcomes |= {n: Sent(wanted.id, []) for n, wanted in self._publishes.items() if wanted.id in ids}

    async def _publish(self, connection: Connection) -> None:
        wanted = {n: command for n, command in self._publishes.items() if n not in self._outcomes}
        if not wanted:
            return
        self.published |= await publish(connection, self._statements, list(wanted.values()), self._at)
        self._outcomes |= {n: Sent(command.id, []) for n, command in wanted.items()}

    async def _claim_keys(self, connection: Connection) -> dict[int, IdempotencyKey]:
        """The keys that are ours alone and have no answer yet."""
        keyed = [
            (n, command.key)
            for n, command in enumerate(self.commands)
            if isinstance(command, CreateCommand | PublishCommand)
            and command.key is not None
            and n not in self._outcomes
        ]
        if not keyed:
            return {}
        names = [key.app_id for _, key in keyed], [key.key_hash for _, key in keyed], [key.part for _, key in keyed]
        # Lock first, then look, in two statements: the answer may have been committed while the lock was being taken.
        alone = await connection.fetch(self._statements["idempotency_lock"], *names)
        answers = {
            row["place"] - 1: row
            for row in await connection.fetch(self._statements["idempotency_look"], *names, self._keys_from)
        }
        for place, (n, key) in enumerate(keyed):
            answer = answers.get(place)
            if answer is not None and answer["request_hash"] != key.request_hash:
                self._outcomes[n] = IdempotencyMismatchError()
            elif answer is not None:
                self._outcomes[n] = msgspec.structs.replace(_decode_sent(answer["answer"]), replayed=True)
            elif not alone[place]["alone"]:
                self._outcomes[n] = IdempotencyBusyError()
        return {n: key for n, key in keyed if n not in self._outcomes}

    async def _create(self, connection: Connection, creates: dict[int, CreateCommand]) -> None:
        stored = await self._collapse(connection, creates)
        stored |= await self._store(connection, creates, stored)
        for n, create in creates.items():
            items = [stored[n, m] for m in range(len(create.recipients))]
            self._outcomes[n] = Sent.of(create, items)

    async def _collapse(
        self, connection: Connection, creates: dict[int, CreateCommand]
    ) -> dict[tuple[int, int], SentItem]:
        wishes = [
            (n, m, create, to)
            for n, create in creates.items()
            if create.content.collapse_key is not None
            for m, to in enumerate(create.recipients)
        ]
        if not wishes:
            return {}
        rows = await connection.fetch(
            self._statements["collapse"],
            [create.app_id for _, _, create, _ in wishes],
            [to.user_id for _, _, _, to in wishes],
            [to.id for _, _, _, to in wishes],
            *content_columns(create.content for _, _, create, _ in wishes),
            self._at,
            *_publication_columns(create for _, _, create, _ in wishes),
        )
        stored: dict[tuple[int, int], SentItem] = {}
        for row in rows:
            n, m, create, to = wishes[row["place"] - 1]
            stored[n, m] = _item(row["id"], to.user_id, row)
            self.commits.append(
                Commit(create.app_id, to.user_id, row["inbox_id"], inbox_state(row), row["position"], "notification")
            )
        return stored

    async def _store(
        self,
        connection: Connection,
        creates: dict[int, CreateCommand],
        collapsed: dict[tuple[int, int], SentItem],
    ) -> dict[tuple[int, int], SentItem]:
        numbers = {n: number for number, n in enumerate(creates, 1)}
        new = [
            (n, m, create, to)
            for n, create in creates.items()
            for m, to in enumerate(create.recipients)
            if (n, m) not in collapsed
        ]
        if not new:
            return {}
        rows = await connection.fetch(
            self._statements["create"],
            [create.app_id for _, _, create, _ in new],
            [to.user_id for _, _, _, to in new],
            [to.id for _, _, _, to in new],
            [numbers[n] for n, _, _, _ in new],
            *content_columns(create.content for create in creates.values()),
            self._at,
            *_publication_columns(creates.values()),
            [self._at if create.publication is None else create.publication.at for create in creates.values()],
        )
        stored: dict[tuple[int, int], SentItem] = {}
        for (n, m, create, to), row in zip(new, rows, strict=True):
            stored[n, m] = SentItem(to.id, to.user_id, _position(row))
            created = Created(create.content, create.publication, self._at, row["arrived_at"])
            self.commits.append(
                Commit(
                    create.app_id,
                    to.user_id,
                    row["inbox_id"],
                    inbox_state(row),
                    row["position"],
                    "notification",
                    id=to.id,
                    created=created,
                )
            )
        return stored

    async def _change(self, connection: Connection, asked: dict[int, ChangeCommand]) -> None:
        self._outcomes |= dict.fromkeys(asked)
        changes = [(n, change) for n, change in asked.items() if change.id in self._locked]
        if not changes:
            return
        rows = await connection.fetch(
            self._statements["change"],
            [change.id for _, change in changes],
            [change.app_id for _, change in changes],
            [change.user_id for _, change in changes],
            [change.action for _, change in changes],
            [sum(1 << bit for bit, name in enumerate(EDITABLE) if name in change.columns) for _, change in changes],
            *([change.columns.get(name) for _, change in changes] for name in EDITABLE),
            self._at,
        )
        found = {row["place"] - 1: row for row in rows}
        for place, (n, change) in enumerate(changes):
            if place in found:
                self._outcomes[n] = self._changed(change, found[place])

    async def _ack(self, connection: Connection, asked: dict[int, AckCommand]) -> None:
        if not asked:
            return
        acks = list(asked.items())
        rows = await connection.fetch(
            self._statements["ack"],
            [ack.app_id for _, ack in acks],
            [ack.user_id for _, ack in acks],
            [ack.device for _, ack in acks],
            [ack.position.epoch for _, ack in acks],
            [ack.position.seq for _, ack in acks],
            self._at,
            _MOST_DEVICES,
        )
        refused = {row["place"] - 1: row["refused"] for row in rows}
        for place, (n, _) in enumerate(acks):
            # Without a row there is no such inbox, which is an epoch that was never.
            reason = refused.get(place, "epoch")
            self._outcomes[n] = None if reason is None else AckRefusedError(_ACK_REFUSED[reason])

    def _changed(self, change: ChangeCommand, row: Record) -> Changed:
        inbox = inbox_state(row)
        notification = notification_from(row, row["user_id"])
        if row["position"] is not None:
            gone = change.action == "delete"
            self.commits.append(
                Commit(
                    change.app_id,
                    row["user_id"],
                    row["inbox_id"],
                    inbox,
                    row["position"],
                    "delete" if gone else "update",
                    id=notification.id,
                    changed=None if gone else notification,
                )
            )
        return Changed(notification, inbox.position, changed=row["position"] is not None)

    async def _keep_answers(self, connection: Connection, claimed: dict[int, IdempotencyKey]) -> None:
        keyed = [(key, self._outcomes[n]) for n, key in claimed.items()]
        if not keyed:
            return
        await connection.execute(
            self._statements["idempotency_keep"],
            [key.app_id for key, _ in keyed],
            [key.key_hash for key, _ in keyed],
            [key.part for key, _ in keyed],
            [key.request_hash for key, _ in keyed],
            [msgspec.json.encode(answer).decode() for _, answer in keyed],
            self._at,
        )


def _publication_columns(creates: Iterable[CreateCommand]) -> list[list[Any]]:
    """Topics and ids of what they were published as, if they were."""
    publications = [create.publication for create in creates]
    return [
        [None if each is None else each.topic for each in publications],
        [None if each is None else each.id for each in publications],
    ]


def _item(id_: UUID, user_id: str, row: Record) -> SentItem:
    return SentItem(UUID(int=id_.int), user_id, _position(row))


def _position(row: Record) -> str:
    return str(Position(row["epoch"], row["position"]))
