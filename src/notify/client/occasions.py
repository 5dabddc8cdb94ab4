"""What most products tell their users, as messages that are ready to be sent.

Each has a type, a link and a collapse key, so that a bell can filter it, lead somewhere, and show one line instead of
twenty. The texts are English: `msgspec.structs.replace(message, title=…)` puts your own.
"""

from msgspec import Struct

from notify.client.message import Action, Actor, Audience, Message, topic

__all__ = ("Person", "Room", "friend_accepted", "friend_request", "invitation", "new_message")

_LONGEST_LINE = 255


class Person(Struct, frozen=True):
    """A user, as others see them."""

    id: str
    name: str
    url: str | None = None
    image_url: str | None = None


class Room(Struct, frozen=True):
    """Where people write to each other. Its members are subscribed to its topic."""

    id: str
    name: str
    url: str | None = None

    @property
    def topic(self) -> str:
        return f"rooms/{self.id}"


def new_message(
    room: Room, sender: Person, text: str, *, count: int = 1, to: str | list[str] | Audience | None = None
) -> Message:
    """To the members of a room but its sender, unless `to` says otherwise. Whoever has an unread one of the room sees
    it change in place. `count` is how many messages there are to read by now, for all whom it goes to: send one to each
    member where their numbers differ.
    """
    title = f"{sender.name} in {room.name}" if count == 1 else f"{count} new messages in {room.name}"
    return Message(
        to=topic(room.topic) if to is None else to,
        exclude=[sender.id],
        title=_cut(title),
        body=text if count == 1 else f"{sender.name}: {text}",
        type="message.new",
        url=room.url,
        data={"room_id": room.id, "count": count},
        actor=_actor(sender),
        collapse_key=f"message.new:{room.id}",
    )


def invitation(
    to: str, sender: Person, what: str, *, invitation_id: str, url: str, decline_url: str | None = None
) -> Message:
    """To something that has a name, such as `the team Kitchen`. Sent again as a reminder, it changes the unread one."""
    actions = [Action("Accept", url, "accept", primary=True)]
    if decline_url is not None:
        actions.append(Action("Decline", decline_url, "decline"))
    return Message(
        to=to,
        title=_cut(f"{sender.name} invites you to {what}"),
        type="invitation.received",
        url=url,
        data={"invitation_id": invitation_id},
        actions=actions,
        actor=_actor(sender),
        collapse_key=f"invitation.received:{invitation_id}",
    )


def friend_request(to: str, sender: Person, *, url: str | None = None) -> Message:
    """The link is to where it is answered, or else to the sender. Sent again, it changes the unread one."""
    link = url or sender.url
    return Message(
        to=to,
        title=_cut(f"{sender.name} would like to be your friend"),
        type="friend.requested",
        url=link,
        data={"user_id": sender.id},
        actions=None if link is None else [Action("Answer", link, "answer", primary=True)],
        actor=_actor(sender),
        collapse_key=f"friend:{sender.id}",
    )


def friend_accepted(to: str, friend: Person, *, url: str | None = None) -> Message:
    """To whoever asked."""
    return Message(
        to=to,
        title=_cut(f"{friend.name} is your friend now"),
        type="friend.accepted",
        level="success",
        url=url or friend.url,
        data={"user_id": friend.id},
        actor=_actor(friend),
        collapse_key=f"friend:{friend.id}",
    )


def _actor(person: Person) -> Actor:
    return Actor(_cut(person.name), person.id, person.image_url)


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"
