"""One group of commands, applied on one connection: by the writer, and by the outbox within its own transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from notify.core.errors import ProblemError
from notify.store.acking import ack
from notify.store.answers import keep_answers, look_for_answers
from notify.store.changing import change, let_time_pass
from notify.store.commands import (
    AckCommand,
    ChangeCommand,
    Changed,
    Command,
    CreateCommand,
    FlashCommand,
    PublishCommand,
    ScheduleCommand,
    SendCommand,
    Sent,
    Steps,
)
from notify.store.commits import Commit
from notify.store.creating import create, find_created
from notify.store.database import Connection
from notify.store.flashes import Flash, find_flashed, flash
from notify.store.publishing import find_published, publish
from notify.store.scheduling import find_scheduled, schedule
from notify.store.statements import Statements

__all__ = ("MOST_STEPS", "Batch", "Outcome")

MOST_STEPS = 32
"""What a transaction may be asked to do one after the other, since it holds its inboxes all the while."""

Outcome = Sent | Changed | ProblemError | None
C = TypeVar("C", bound=Command)
T = TypeVar("T")


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
        self.flashed: list[Flash] = []
        """And what is to be shown to whoever is connected."""

        self._schedules = self._all(ScheduleCommand)
        self._publishes = self._all(PublishCommand)
        self._flashes = self._all(FlashCommand)
        self._creates = self._all(CreateCommand)
        self._changes = self._all(ChangeCommand)
        self._acks = self._all(AckCommand)
        steps = Steps()
        self._step_of = [steps.add(command) for command in commands]

    @property
    def is_one_statement(self) -> bool:
        """Whether a single statement does it all, so that it needs no transaction around it."""
        kinds = [self._schedules, self._publishes, self._flashes, self._creates, self._acks]
        if self._changes or sum(map(bool, kinds)) > 1 or any(self._step_of):
            return False
        return not any(
            isinstance(command, SendCommand) and (command.key is not None or _may_collapse(command))
            for command in self.commands
        )

    @property
    def has_scheduled(self) -> bool:
        return bool(self._schedules)

    async def apply(self, connection: Connection, *, perhaps_written: bool = False) -> list[Outcome]:
        """`perhaps_written`: a connection was lost while these commands were under way (law 3). They are then looked
        for and written under one lock: what is late to reach the server cannot come between.
        """
        if perhaps_written:
            await self._answer_what_is_sent(connection)
            await self._lock(connection)
            await self._answer_what_is_created(connection)
        keys = {n: command.key for n, command in self._waiting(self._sends).items() if command.key is not None}
        self._outcomes |= await look_for_answers(connection, self._statements, keys, self._keys_from)
        keys = self._waiting(keys)
        await self._publish(connection)
        await self._schedule(connection)
        await self._flash(connection)
        if not perhaps_written and not self.is_one_statement:
            await self._lock(connection)
        creates = self._waiting(self._creates)
        for step in range(max(self._step_of, default=-1) + 1):
            await self._create(connection, self._of_step(step, creates))
            await self._change(connection, self._of_step(step, self._changes))
            self._outcomes |= await ack(connection, self._statements, self._of_step(step, self._acks), self._at)
        answers = {key: outcome for n, key in keys.items() if isinstance(outcome := self._outcomes[n], Sent)}
        await keep_answers(connection, self._statements, answers, self._at)
        return [self._outcomes[n] for n in range(len(self.commands))]

    def _all(self, kind: type[C]) -> dict[int, C]:
        return {n: command for n, command in enumerate(self.commands) if isinstance(command, kind)}

    @property
    def _sends(self) -> dict[int, SendCommand]:
        return self._creates | self._publishes | self._schedules | self._flashes

    def _waiting(self, things: Mapping[int, T]) -> dict[int, T]:
        """Those that have no outcome yet."""
        return {n: thing for n, thing in things.items() if n not in self._outcomes}

    def _of_step(self, step: int, commands: dict[int, C]) -> dict[int, C]:
        return {n: command for n, command in commands.items() if self._step_of[n] == step}

    async def _lock(self, connection: Connection) -> None:
        """Locks every inbox that the commands touch, and does there what is due. A notification that is stored only
        after this is not touched, since nobody has locked its inbox.
        """
        creates = self._waiting(self._creates).values()
        inboxes = {(create.app_id, to.user_id) for create in creates for to in create.recipients}
        rows = await connection.fetch(
            self._statements["lock"],
            [app_id for app_id, _ in inboxes],
            [user_id for _, user_id in inboxes],
            [change.id for change in self._changes.values()],
            self._at,
        )
        self._locked = {row["id"] for row in rows if row["id"] is not None}
        due = [(row["app_id"], row["user_id"]) for row in rows if row["id"] is None]
        if due:
            self.commits += await let_time_pass(connection, self._statements, due, self._at)

    async def _answer_what_is_sent(self, connection: Connection) -> None:
        found: set[UUID] = set()
        if self._publishes:
            found, heads = await find_published(connection, self._statements, list(self._publishes.values()))
            self.published |= heads
        if self._schedules:
            found |= await find_scheduled(connection, self._statements, list(self._schedules.values()))
        if self._flashes:
            there = await find_flashed(connection, self._statements, [each.id for each in self._flashes.values()])
            found |= {each.id for each in there}
            self.flashed += there
        wanted = self._publishes | self._schedules | self._flashes
        self._outcomes |= {n: Sent(command.id, []) for n, command in wanted.items() if command.id in found}

    async def _answer_what_is_created(self, connection: Connection) -> None:
        sent, commits = await find_created(connection, self._statements, self._creates)
        self._outcomes |= sent
        self.commits += commits

    async def _publish(self, connection: Connection) -> None:
        wanted = self._waiting(self._publishes)
        if wanted:
            self.published |= await publish(connection, self._statements, list(wanted.values()), self._at)
            self._outcomes |= {n: Sent(command.id, []) for n, command in wanted.items()}

    async def _schedule(self, connection: Connection) -> None:
        wanted = self._waiting(self._schedules)
        if wanted:
            await schedule(connection, self._statements, list(wanted.values()), self._at)
            self._outcomes |= {n: Sent(command.id, []) for n, command in wanted.items()}

    async def _flash(self, connection: Connection) -> None:
        wanted = self._waiting(self._flashes)
        if wanted:
            self.flashed += await flash(connection, self._statements, list(wanted.values()), self._at)
            self._outcomes |= {n: Sent(command.id, []) for n, command in wanted.items()}

    async def _create(self, connection: Connection, creates: dict[int, CreateCommand]) -> None:
        if creates:
            sent, commits = await create(connection, self._statements, creates, self._at)
            self._outcomes |= sent
            self.commits += commits

    async def _change(self, connection: Connection, changes: dict[int, ChangeCommand]) -> None:
        there = {n: command for n, command in changes.items() if command.id in self._locked}
        changed, commits = await change(connection, self._statements, there, self._at)
        self._outcomes |= dict.fromkeys(changes) | changed
        self.commits += commits


def _may_collapse(command: SendCommand) -> bool:
    return isinstance(command, CreateCommand) and command.content.collapse_key is not None
