"""What whoever may send may send, and for whom."""

from msgspec import UnsetType

from notify.core.api_keys import check_type
from notify.core.errors import FieldError, ForbiddenError
from notify.core.identity import Caller
from notify.core.notification import Actor, Audience, Create, Edit

__all__ = ("check_create", "check_edit")


def check_create(caller: Caller, create: Create, most_recipients: int) -> None:
    """An API key sends to anybody, of the types that it is for. So does a user whose token has the role `admin`. Any
    other user sends to a few named users, and in no name but their own.
    """
    check_type(caller, create.type)
    if caller.user_id is None or caller.is_admin:
        return
    if isinstance(create.to, Audience):
        raise _not_yours("/to", "Name the users it is for: topics and everyone take a token with the role `admin`.")
    if not isinstance(create.to, str) and len(create.to) > most_recipients:
        raise _not_yours(
            "/to",
            f"At most {most_recipients} users (NOTIFY_MAX_PEER_RECIPIENTS): more take a token with the role `admin`.",
        )
    _check_actor(caller, create.actor)


def check_edit(caller: Caller, edit: Edit) -> None:
    if caller.user_id is not None and not caller.is_admin:
        _check_actor(caller, edit.actor)


def _check_actor(caller: Caller, actor: Actor | UnsetType | None) -> None:
    if isinstance(actor, Actor) and actor.id not in {None, caller.user_id}:
        raise _not_yours("/actor/id", "That is somebody else; send your own user id, or none.")


def _not_yours(pointer: str, detail: str) -> ForbiddenError:
    return ForbiddenError(detail, errors=(FieldError(pointer, detail),))
