"""Every route: how it is called rightly, and who may. A route without a row here fails."""

from dataclasses import dataclass, field
from typing import Any

from notify.api.access import Access
from support.calls import ALICE

__all__ = ("CALLS", "SELF_SERVICE", "SOME_ID", "TOPIC", "Call")


@dataclass
class Call:
    """How a route is called rightly, and who may."""

    access: Access
    status: int = 200
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    endless: bool = False
    ends_tokens: bool = False
    """With a user's token it is the last that this is good for."""


CREATE = {"to": "alice", "title": "a title"}
POSITION = "where alice's inbox is"
SOME_ID = "01a1fd61-d36a-7e3b-90cb-826a32323436"
TOPIC = {"topic": "orders/eu"}
SELF_SERVICE = {"self_service": True}
MARK = Call(Access.INBOX, query=ALICE)
MARK_ALL = Call(Access.INBOX, query=ALICE, body={})
SHOW = Call(Access.READ, query=ALICE)
PAGE = Call(Access.PUBLIC)

CALLS = {
    "POST /v1/notifications": Call(Access.SEND, 201, CREATE),
    "POST /v1/notifications/batch": Call(Access.SEND, body={"items": [CREATE]}),
    "PATCH /v1/notifications/{notification_id}": Call(Access.SEND, body={"title": "b"}, query=ALICE),
    "GET /v1/notifications": SHOW,
    "GET /v1/notifications/count": SHOW,
    "GET /v1/notifications/{notification_id}": SHOW,
    "GET /v1/changes": SHOW,
    "POST /v1/notifications/{notification_id}/read": MARK,
    "POST /v1/notifications/{notification_id}/unread": MARK,
    "POST /v1/notifications/{notification_id}/seen": MARK,
    "POST /v1/notifications/{notification_id}/archive": MARK,
    "POST /v1/notifications/{notification_id}/unarchive": MARK,
    "POST /v1/notifications/{notification_id}/snooze": Call(
        Access.INBOX, body={"until": "2026-03-02T12:00:00Z"}, query=ALICE
    ),
    "POST /v1/notifications/{notification_id}/unsnooze": MARK,
    "DELETE /v1/notifications/{notification_id}": Call(Access.INBOX, 204, query=ALICE),
    "POST /v1/notifications/read-all": MARK_ALL,
    "POST /v1/notifications/seen-all": MARK_ALL,
    "POST /v1/notifications/archive-all": MARK_ALL,
    "GET /v1/stream": Call(Access.READ, query=ALICE, endless=True),
    "HEAD /v1/stream": SHOW,
    "GET /v1/ws": Call(Access.PUBLIC, 426),
    # Of a session that there is not: whoever is let in is told so.
    "POST /v1/stream/refresh": Call(Access.USER, 404, {"session": SOME_ID}),
    "GET /v1/operations/{operation_id}": Call(Access.OPERATIONS, 404),
    "PATCH /v1/operations/{operation_id}": Call(Access.SEND_KEY, 404, body={"title": "another"}),
    "DELETE /v1/operations/{operation_id}": Call(Access.SEND_KEY, 404),
    "GET /v1/scheduled": Call(Access.SEND_KEY),
    "DELETE /v1/scheduled/{scheduled_id}": Call(Access.SEND_KEY, 404),
    "GET /v1/broadcasts/recent": SHOW,
    "GET /v1/presence": Call(Access.INBOX_KEY, query=ALICE),
    "GET /v1/sessions": Call(Access.INBOX_KEY, query=ALICE),
    "DELETE /v1/sessions": Call(Access.INBOX_KEY, 204, query=ALICE),
    "DELETE /v1/sessions/{session_id}": Call(Access.INBOX_KEY, 404),
    "POST /v1/ack": Call(Access.INBOX, 204, {"device": "phone", "position": POSITION}, ALICE),
    "GET /v1/devices": SHOW,
    "DELETE /v1/devices": Call(Access.INBOX, 204, None, {**ALICE, "device": "phone"}),
    "GET /v1/notifications/{notification_id}/delivery": SHOW,
    "PUT /v1/subscriptions": Call(Access.INBOX, 201, query={**ALICE, **TOPIC}),
    "DELETE /v1/subscriptions": Call(Access.INBOX, 204, query={**ALICE, **TOPIC}),
    "GET /v1/subscriptions": SHOW,
    "POST /v1/subscriptions": Call(Access.INBOX_KEY, body={"items": [{**ALICE, **TOPIC}]}),
    "PUT /v1/topics": Call(Access.ADMIN, body=SELF_SERVICE, query=TOPIC),
    "GET /v1/topics": Call(Access.ADMIN),
    "DELETE /v1/topics": Call(Access.ADMIN, 204, query=TOPIC),
    "PUT /v1/retention": Call(Access.ADMIN, body={"read_days": 30}, query={"type": "order"}),
    "GET /v1/retention": Call(Access.ADMIN),
    "DELETE /v1/retention": Call(Access.ADMIN, 204, query={"type": "order"}),
    "POST /v1/tokens": Call(Access.INBOX, 201, ALICE),
    "POST /v1/tokens/revoke": Call(Access.READ, 204, {"jti": SOME_ID}, ends_tokens=True),
    "POST /v1/users/sign-out": Call(Access.READ, 204, ALICE, ends_tokens=True),
    "POST /v1/tickets": Call(Access.READ, 201, ALICE),
    "GET /v1/audit": Call(Access.ADMIN),
    "GET /v1/users/export": Call(Access.ADMIN, query=ALICE),
    "GET /v1/apps": Call(Access.ADMIN),
    "POST /v1/apps": Call(Access.OPERATOR, 201, {"id": "new", "name": "New"}),
    "GET /v1/apps/{app}": Call(Access.ADMIN),
    "PATCH /v1/apps/{app}": Call(Access.ADMIN, body={"name": "Default"}),
    "GET /v1/apps/{app}/jwt": Call(Access.ADMIN),
    "PUT /v1/apps/{app}/jwt": Call(Access.ADMIN, body={}),
    "POST /v1/apps/{app}/jwt/rotate": Call(Access.ADMIN, 201),
    "GET /v1/apps/{app}/keys": Call(Access.ADMIN),
    "POST /v1/apps/{app}/keys": Call(Access.ADMIN, 201, {"name": "a key", "scopes": ["send"]}),
    "POST /v1/apps/{app}/keys/{key_id}/rotate": Call(Access.ADMIN, 201, {"overlap_seconds": 60}),
    "DELETE /v1/apps/{app}/keys/{key_id}": Call(Access.ADMIN, 204),
    # The last that is about alice.
    "DELETE /v1/users": Call(Access.ADMIN, 202, query=ALICE),
    "GET /health/live": PAGE,
    "GET /health/ready": PAGE,
    "GET /metrics": PAGE,
    "GET /": PAGE,
    # Only for who has just started it: see test_demo.py.
    "POST /demo": Call(Access.PUBLIC, 404),
    "GET /doctor": PAGE,
    "GET /doctor/look": PAGE,
    "GET /doctor/stream": PAGE,
    "GET /docs": PAGE,
    "GET /redoc": PAGE,
    "GET /openapi.json": PAGE,
    "GET /asyncapi.json": PAGE,
    "GET /problems": PAGE,
    "GET /problems/{slug}": PAGE,
    "GET /client/{file_name}": PAGE,
    "GET /assets/pages/{file_path}": PAGE,
    "HEAD /assets/pages/{file_path}": PAGE,
    "GET /assets/vendor/{file_path}": PAGE,
    "HEAD /assets/vendor/{file_path}": PAGE,
}
