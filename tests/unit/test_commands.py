"""Creates to one person that collapse into each other cannot share a statement; all others do."""

from hypothesis import given
from hypothesis import strategies as st

from notify.core.ids import uuid7
from notify.core.notification import Content
from notify.core.position import Position
from notify.store.commands import (
    AckCommand,
    ChangeCommand,
    Command,
    CreateCommand,
    FlashCommand,
    PublishCommand,
    ScheduleCommand,
    Steps,
)

USERS = "alice", "bob", "carol"
IDS = [uuid7() for _ in range(3)]


def create(users: list[str], key: str | None) -> CreateCommand:
    return CreateCommand.to("default", users, Content(None, "info", "t", None, None, None, None, None, key))


def ack(user: str, device: str) -> AckCommand:
    return AckCommand("default", user, device, Position("abcd", 1))


def in_steps(commands: list[Command]) -> list[list[Command]]:
    steps = Steps()
    numbers = [steps.add(command) for command in commands]
    return [
        [command for command, number in zip(commands, numbers, strict=True) if number == step]
        for step in range(max(numbers, default=-1) + 1)
    ]


def touched(command: Command) -> list[object]:
    match command:
        case CreateCommand():
            key = command.content.collapse_key
            return [] if key is None else [(to.user_id, key) for to in command.recipients]
        case ChangeCommand():
            return [command.id]
        case PublishCommand() | ScheduleCommand() | FlashCommand():
            return []
        case AckCommand():
            return [("ack", command.user_id, command.device)]


users = st.sampled_from(USERS)
creates = st.builds(create, st.lists(users, min_size=1, unique=True), st.sampled_from([None, "k", "l"]))
changes = st.builds(
    ChangeCommand, st.just("default"), st.none(), st.sampled_from(IDS), st.sampled_from(["read", "seen"])
)
commands = st.lists(creates | changes | st.builds(ack, users, st.sampled_from(["phone", "desk"])), max_size=30)


@given(commands)
def test_a_step_touches_nothing_twice_and_all_that_touches_one_thing_stays_in_order(asked: list[Command]) -> None:
    steps = in_steps(asked)
    for step in steps:
        things = [thing for command in step for thing in touched(command)]
        assert len(things) == len(set(things))
    in_order = [command for step in steps for command in step]
    for thing in {thing for command in asked for thing in touched(command)}:
        assert [each for each in in_order if thing in touched(each)] == [
            each for each in asked if thing in touched(each)
        ]


@given(st.lists(creates, max_size=30))
def test_an_inbox_keeps_the_order_of_its_creates(asked: list[CreateCommand]) -> None:
    in_order = [command for step in in_steps(list(asked)) for command in step]
    for user in USERS:
        of_user = [each for each in asked if user in [to.user_id for to in each.recipients]]
        assert [each for each in in_order if each in of_user] == of_user


@given(st.lists(st.builds(create, st.lists(users, min_size=1, max_size=1), st.sampled_from([None, "k", "l"]))))
def test_no_inbox_waits_for_another(asked: list[CreateCommand]) -> None:
    alone = [in_steps([each for each in asked if each.recipients[0].user_id == user]) for user in USERS]
    assert len(in_steps(list(asked))) == max(map(len, alone))
