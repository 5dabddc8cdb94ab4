"""The credentials that were revoked in the last while. What they opened ends, and so does what they open a moment
later, because whoever let them in went by what was read before.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence

import msgspec

from notify.live.connection import Connection
from notify.store.many import InboxKey
from notify.store.sessions import Revocation

__all__ = ("RevokedCredentials", "suspects")


class RevokedCredentials:
    def __init__(self) -> None:
        self._recent: dict[Hashable, tuple[float, Revocation]] = {}
        """By what they revoke, and since when they are known."""

    def add(self, revocation: Revocation, now: float) -> None:
        subject = _subject(revocation)
        _, known = self._recent.pop(subject, (now, revocation))
        self._recent[subject] = now, _stricter(known, revocation)

    def forget(self, before: float) -> None:
        self._recent = {subject: kept for subject, kept in self._recent.items() if kept[0] >= before}

    def against(self, connection: Connection) -> Iterator[Revocation]:
        """Those that this connection has to obey."""
        if not self._recent:
            return
        app_id, user_id = connection.key
        credential = connection.credential
        for subject in ((app_id, "token", credential.token_id), ("key", credential.key_id), (app_id, "user", user_id)):
            _, found = self._recent.get(subject, (0.0, None))
            if found is not None and _was_made_by(credential.issued_at, found.signed_out_at):
                yield found


def suspects(revocations: Sequence[Revocation]) -> Callable[[Connection], bool]:
    """Which of many connections to look at, told quickly."""
    tokens = {each.token_id for each in revocations if each.token_id is not None}
    keys = {each.key_id for each in revocations if each.key_id is not None}
    users = {InboxKey(each.app_id, each.user_id) for each in revocations if each.user_id is not None}

    def is_suspect(connection: Connection) -> bool:
        credential = connection.credential
        return credential.token_id in tokens or connection.key in users or credential.key_id in keys

    return is_suspect


def _subject(revocation: Revocation) -> Hashable:
    if revocation.key_id is not None:
        return "key", revocation.key_id
    if revocation.token_id is not None:
        return revocation.app_id, "token", revocation.token_id
    return revocation.app_id, "user", revocation.user_id


def _stricter(one: Revocation, other: Revocation) -> Revocation:
    """Of the same: the earliest end of a key, and the latest time when a user was signed out."""
    ends = [each.ends_at for each in (one, other) if each.ends_at is not None]
    signed_out = [each.signed_out_at for each in (one, other) if each.signed_out_at is not None]
    return msgspec.structs.replace(
        other,
        ends_at=min(ends) if len(ends) == 2 else None,  # noqa: PLR2004 - one without ends at once
        signed_out_at=max(signed_out, default=None),
    )


def _was_made_by(issued_at: float | None, signed_out_at: float | None) -> bool:
    return signed_out_at is None or issued_at is None or issued_at <= signed_out_at
