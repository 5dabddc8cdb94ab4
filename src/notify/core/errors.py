"""Every problem notify tells anyone about: one hierarchy, each with its status, its slug and what to do next."""

from typing import ClassVar

import msgspec

__all__ = (
    "AckRefusedError",
    "AlreadySentError",
    "AppDisabledError",
    "BodyTooLargeError",
    "BodyTooSlowError",
    "ConflictError",
    "DatabaseAwayError",
    "ExpiredError",
    "FieldError",
    "ForbiddenError",
    "HeadTooLargeError",
    "HeadTooSlowError",
    "IdempotencyBusyError",
    "IdempotencyMismatchError",
    "InternalError",
    "InvalidError",
    "KeysUnderWayError",
    "MalformedBodyError",
    "MalformedMessageError",
    "MalformedPositionError",
    "MalformedRequestError",
    "MethodNotAllowedError",
    "MisdirectedError",
    "NotFoundError",
    "OverloadedError",
    "PositionUnknownError",
    "ProblemError",
    "SealedError",
    "SecretInSettingsError",
    "ShuttingDownError",
    "SubprotocolError",
    "TooManyCreatesError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnsupportedMediaTypeError",
    "UpgradeRequiredError",
    "all_problems",
)


class FieldError(msgspec.Struct, frozen=True):
    """One wrong value: `pointer` is a JSON pointer into the body, or the name of a query parameter or header."""

    pointer: str
    detail: str


class ProblemError(Exception):
    """Something the caller is told about. The class says what kind it is, `detail` what to do in this case."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on our side"
    advice: ClassVar[str] = ""
    """What the page behind the problem's `type` says."""

    retry_after_seconds: int | None = None

    def __init__(self, detail: str | None = None, *, errors: tuple[FieldError, ...] = ()) -> None:
        self.detail = detail or self.advice
        self.errors = errors
        super().__init__(self.detail)


class InternalError(ProblemError):
    advice = (
        "The request could not be handled because of a fault in the service. Try again; if it stays, tell the operator "
        "the request id."
    )


class SealedError(InternalError):
    """A secret in the database cannot be read. Whoever runs the service has to put that right."""


class MalformedBodyError(ProblemError):
    status = 400
    slug = "malformed-body"
    title = "The body is not valid JSON"
    advice = "Send one JSON document in UTF-8, without NUL or lone surrogates."


class MalformedRequestError(ProblemError):
    status = 400
    slug = "malformed-request"
    title = "That is not a valid HTTP request"
    advice = (
        "Send HTTP/1.1 with a known method, a path and a query in ASCII (percent-encode anything else), and a `Host` "
        "header that names a host."
    )


class MalformedMessageError(ProblemError):
    status = 400
    slug = "malformed-message"
    title = "That is not a message"
    advice = (
        "Send one object with a known `type` per message: with `notify.v1.json` as JSON in a text message, with "
        "`notify.v1.msgpack` as msgpack in a binary one."
    )


class SubprotocolError(ProblemError):
    status = 400
    slug = "unknown-subprotocol"
    title = "None of these subprotocols is spoken here"
    advice = "Offer `notify.v1.json` or `notify.v1.msgpack`, or none, which means JSON."


class UnauthorizedError(ProblemError):
    status = 401
    slug = "unauthorized"
    title = "No valid credential"
    advice = (
        "Send an API key or a user token as `Authorization: Bearer …`. Make a key with `notify keys create`, a token "
        "with `POST /v1/tokens` or `notify token USER`."
    )


class ExpiredError(UnauthorizedError):
    """The credential was good once. A stream says so in words that a browser can hear."""

    advice = "This token has expired; get a fresh one."


class ForbiddenError(ProblemError):
    status = 403
    slug = "forbidden"
    title = "This credential may not do that"
    advice = "Use a credential that has the scope this call needs, and stay within its own app and user."


class AppDisabledError(ForbiddenError):
    slug = "app-disabled"
    title = "This app is disabled"
    advice = "Its keys and tokens are not taken until the operator enables it again, with `notify apps enable`."


class NotFoundError(ProblemError):
    status = 404
    slug = "not-found"
    title = "There is no such thing here"
    advice = "Check the path and the id. What belongs to another user or app is not found either."


class MethodNotAllowedError(ProblemError):
    status = 405
    slug = "method-not-allowed"
    title = "This path does not take that method"
    advice = "The header `Allow` lists the methods that this path takes."


class BodyTooSlowError(ProblemError):
    status = 408
    slug = "body-too-slow"
    title = "The body did not arrive in time"
    advice = "Send the whole body without long pauses; see the setting NOTIFY_BODY_TIMEOUT_SECONDS."


class HeadTooSlowError(ProblemError):
    status = 408
    slug = "head-too-slow"
    title = "The request's head did not arrive in time"
    advice = "Send the path and the headers without long pauses; see the setting NOTIFY_HEAD_TIMEOUT_SECONDS."


class ConflictError(ProblemError):
    status = 409
    slug = "conflict"
    title = "That exists already"
    advice = "Choose another id, or use the one that exists."


class SecretInSettingsError(ProblemError):
    status = 409
    slug = "secret-in-settings"
    title = "This secret is kept in the settings"
    advice = (
        "Rotate it where it is kept: give NOTIFY_JWT_SECRET another value, and NOTIFY_JWT_SECRET_BEFORE the one that "
        "it had, until the last tokens signed with that have run out."
    )


class AckRefusedError(ProblemError):
    status = 409
    slug = "ack-refused"
    title = "That position cannot be acknowledged"
    advice = "Acknowledge the position of the latest event you have dealt with, exactly as it was sent."


class AlreadySentError(ProblemError):
    status = 409
    slug = "already-sent"
    title = "It was sent already"
    advice = (
        "It cannot be cancelled any more. Sent to one user, it is a notification with the same id; to topics or to "
        "everyone, an operation with the same id: edit or delete the one, edit or recall the other."
    )


class IdempotencyBusyError(ProblemError):
    status = 409
    slug = "idempotency-busy"
    title = "A request with this Idempotency-Key is still running"
    advice = "Wait as long as `Retry-After` says and send the same request again: it then gets the first one's answer."
    retry_after_seconds = 1


class PositionUnknownError(ProblemError):
    status = 412
    slug = "position-unknown"
    title = "The inbox is not at that position"
    advice = (
        "`Notify-Position` names a position that this inbox never reached: it was erased, or the database was "
        "restored. Drop what you hold and start fresh without it."
    )


class BodyTooLargeError(ProblemError):
    status = 413
    slug = "body-too-large"
    title = "The body is too large"
    advice = "Send less at a time; the limits are the settings NOTIFY_MAX_BODY_BYTES and NOTIFY_MAX_BATCH_BODY_BYTES."


class UnsupportedMediaTypeError(ProblemError):
    status = 415
    slug = "unsupported-media-type"
    title = "The body is not sent as JSON"
    advice = "Send `Content-Type: application/json`."


class UpgradeRequiredError(ProblemError):
    status = 426
    slug = "upgrade-required"
    title = "This is where WebSockets are opened"
    advice = "Open it as a WebSocket, or follow the inbox with Server-Sent Events at `/v1/stream`."


class HeadTooLargeError(ProblemError):
    status = 431
    slug = "head-too-large"
    title = "The request's path, query and headers are too large"
    advice = "Send at most 64 KiB of them; what is long belongs in the body."


class MisdirectedError(ProblemError):
    status = 421
    slug = "misdirected"
    title = "The service is not called by that name"
    advice = "Use the address that the operator gave you; NOTIFY_ALLOWED_HOSTS lists the names that are taken."


class InvalidError(ProblemError):
    status = 422
    slug = "invalid"
    title = "Some values are not allowed"
    advice = "Mend the values that `errors` points at."

    @classmethod
    def at(cls, pointer: str, detail: str) -> "InvalidError":
        return cls(errors=(FieldError(pointer, detail),))


class MalformedPositionError(InvalidError):
    slug = "malformed-position"
    title = "That is not a position"
    advice = "Send a position exactly as the service gave it, such as `k3f9.42`."


class IdempotencyMismatchError(ProblemError):
    status = 422
    slug = "idempotency-mismatch"
    title = "This Idempotency-Key was used for another request"
    advice = "Send the same body again with the same key, or use a new key for a new request."


class TooManyRequestsError(ProblemError):
    status = 429
    slug = "too-many-requests"
    title = "Too many requests"
    advice = (
        "Wait as long as `Retry-After` says and go on more slowly; `RateLimit-Policy` says how many requests this "
        "credential may make, `RateLimit` how many are left."
    )
    retry_after_seconds = 1

    def __init__(
        self, detail: str | None = None, *, errors: tuple[FieldError, ...] = (), wait_seconds: int = 1
    ) -> None:
        super().__init__(detail, errors=errors)
        self.retry_after_seconds = wait_seconds


class TooManyCreatesError(TooManyRequestsError):
    slug = "too-many-creates"
    title = "Too much is sent to these users"
    advice = (
        "Nothing of this create was written. Wait as long as `Retry-After` says, or leave out the users that `errors` "
        "points at; several events may share one notification (`collapse_key`, `PATCH`)."
    )


class OverloadedError(ProblemError):
    status = 503
    slug = "overloaded"
    title = "The service has too much to do"
    advice = (
        "Wait as long as `Retry-After` says and send the request again, with the same Idempotency-Key if it had one."
    )
    retry_after_seconds = 1


class ShuttingDownError(ProblemError):
    status = 503
    slug = "shutting-down"
    title = "This process is being stopped"
    advice = "Connect again after as long as `Retry-After` says; another process answers, or this one when it is back."
    retry_after_seconds = 1


class KeysUnderWayError(ProblemError):
    status = 503
    slug = "keys-under-way"
    title = "The public keys of this app are being fetched"
    advice = "The token names a key that is not known yet. Send the request again after as long as `Retry-After` says."
    retry_after_seconds = 1


class DatabaseAwayError(ProblemError):
    status = 503
    slug = "database-away"
    title = "The database does not answer"
    advice = (
        "Wait as long as `Retry-After` says and send the request again. A write may have reached the database all the "
        "same: send it with an Idempotency-Key and it never happens twice."
    )
    retry_after_seconds = 2


def all_problems() -> tuple[type[ProblemError], ...]:
    """Every kind of problem, in the order of their status."""
    found: list[type[ProblemError]] = []
    kinds = list(ProblemError.__subclasses__())
    while kinds:
        kind = kinds.pop()
        found.append(kind)
        kinds.extend(kind.__subclasses__())
    by_slug = {kind.slug: kind for kind in reversed(found)}
    return tuple(sorted(by_slug.values(), key=lambda kind: (kind.status, kind.slug)))
