"""Creates to one person that collapse into each other cannot share a statement; all others do."""

from hypothesis import given
from hypothesis import strategies as st

from notify.core.notification import Content
from notify.store.commands import CreateCommand, independent_groups


def create(user: str, key: str | None) -> CreateCommand:
    return CreateCommand.to("default", [user], Content(None, "info", "t", None, None, None, None, None, key))


def inbox_and_key(create: CreateCommand) -> tuple[str, str | None]:
    return create.recipients[0].user_id, create.content.collapse_key


creates = st.lists(st.builds(create, st.sampled_from(["alice", "bob"]), st.sampled_from([None, "k", "l"])), max_size=30)


@given(creates)
def test_a_group_names_no_collapse_key_of_an_inbox_twice_and_each_inbox_keeps_its_order(
    asked: list[CreateCommand],
) -> None:
    groups = independent_groups(asked)
    for group in groups:
        collapsing = [each for each in map(inbox_and_key, group) if each[1] is not None]
        assert len(collapsing) == len(set(collapsing))
    for user in ("alice", "bob"):
        in_order = [each for group in groups for each in group if inbox_and_key(each)[0] == user]
        assert in_order == [each for each in asked if inbox_and_key(each)[0] == user]


@given(creates)
def test_no_inbox_waits_for_another(asked: list[CreateCommand]) -> None:
    alone = [
        independent_groups([each for each in asked if inbox_and_key(each)[0] == user]) for user in ("alice", "bob")
    ]
    assert len(independent_groups(asked)) == max(map(len, alone))
