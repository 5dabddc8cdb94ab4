"""The answers that are kept for idempotency keys, so that a request that comes again is not done again."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from notify.core.errors import IdempotencyBusyError, IdempotencyMismatchError
from notify.store.commands import IdempotencyKey, Sent
from notify.store.database import Connection
from notify.store.statements import Statements

__all__ = ("KeptAnswer", "keep_answers", "look_for_answers")

KeptAnswer = Sent | IdempotencyMismatchError | IdempotencyBusyError

_decode_sent = msgspec.json.Decoder(Sent).decode


async def look_for_answers(
    connection: Connection, statements: Statements, keys: Mapping[int, IdempotencyKey], since: datetime
) -> dict[int, KeptAnswer]:
    """What those are answered with that need not or may not be done. The keys of the others are ours alone until the
    transaction ends.
    """
    if not keys:
        return {}
    wanted = list(keys.values())
    names = [key.app_id for key in wanted], [key.key_hash for key in wanted], [key.part for key in wanted]
    # Lock first, then look, in two statements: the answer may have been committed while the lock was being taken.
    alone = await connection.fetch(statements["idempotency_lock"], *names)
    rows = await connection.fetch(statements["idempotency_look"], *names, since)
    kept = {row["place"] - 1: row for row in rows}
    found: dict[int, KeptAnswer] = {}
    for place, (n, key) in enumerate(keys.items()):
        answer = kept.get(place)
        if answer is not None and answer["request_hash"] != key.request_hash:
            found[n] = IdempotencyMismatchError()
        elif answer is not None:
            found[n] = msgspec.structs.replace(_decode_sent(answer["answer"]), replayed=True)
        elif not alone[place]["alone"]:
            found[n] = IdempotencyBusyError()
    return found


async def keep_answers(
    connection: Connection, statements: Statements, answers: Mapping[IdempotencyKey, Sent], at: datetime
) -> None:
    if not answers:
        return
    await connection.execute(
        statements["idempotency_keep"],
        [key.app_id for key in answers],
        [key.key_hash for key in answers],
        [key.part for key in answers],
        [key.request_hash for key in answers],
        [msgspec.json.encode(answer).decode() for answer in answers.values()],
        at,
    )
