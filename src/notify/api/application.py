"""All routes, in one Litestar application for every service of this process."""

from functools import cache

from litestar import Litestar, Router
from litestar.types import ControllerRouterHandler

from notify.api.access import guard
from notify.api.answering import keep_failure
from notify.api.app_tokens import AppTokensController
from notify.api.apps import AppsController
from notify.api.audit import AuditController
from notify.api.broadcasts import BroadcastsController
from notify.api.client import client_file
from notify.api.demo import demo_credentials
from notify.api.devices import DevicesController
from notify.api.doctor import look, probe_socket, probe_stream
from notify.api.documents import DOCUMENT_ROUTES
from notify.api.health import HealthController
from notify.api.home import doctor, home
from notify.api.inbox import ChangesController, InboxController
from notify.api.keys import KeysController
from notify.api.operations import OperationsController
from notify.api.parts import providers
from notify.api.privacy import PrivacyController
from notify.api.problems import exception_handlers
from notify.api.retention import RetentionController
from notify.api.scheduled import ScheduledController
from notify.api.sending import SendingController
from notify.api.sessions import PresenceController, RefreshController, SessionsController
from notify.api.socket import explain_socket, open_socket
from notify.api.stream import StreamController
from notify.api.subscriptions import SubscriptionsController
from notify.api.tickets import TicketsController
from notify.api.tokens import TokensController
from notify.api.topics import TopicsController
from notify.api.users import UsersController

__all__ = ("application", "application_with")

_ROUTES: tuple[ControllerRouterHandler, ...] = (
    # One router for both, because they share paths.
    Router("/v1/notifications", route_handlers=[SendingController, InboxController]),
    ChangesController,
    AppsController,
    AppTokensController,
    KeysController,
    AuditController,
    TokensController,
    TicketsController,
    PrivacyController,
    StreamController,
    open_socket,
    explain_socket,
    RefreshController,
    PresenceController,
    SessionsController,
    DevicesController,
    OperationsController,
    ScheduledController,
    BroadcastsController,
    RetentionController,
    SubscriptionsController,
    TopicsController,
    UsersController,
    HealthController,
    home,
    demo_credentials,
    doctor,
    look,
    probe_stream,
    probe_socket,
    *DOCUMENT_ROUTES,
    client_file,
)


@cache
def application() -> Litestar:
    return application_with(*_ROUTES)


def application_with(*routes: ControllerRouterHandler) -> Litestar:
    return Litestar(
        route_handlers=routes,
        dependencies=providers(),
        guards=[guard],
        exception_handlers=exception_handlers(),
        after_exception=[keep_failure],
        openapi_config=None,
        logging_config=None,
    )
