"""The kinds of text that may enter, each bounded: msgspec checks them while it decodes, and OpenAPI shows them."""

from typing import Annotated

from msgspec import Meta

__all__ = (
    "ActionId",
    "AppId",
    "CollapseKey",
    "DeviceName",
    "Label",
    "Line",
    "NotificationType",
    "Text",
    "Title",
    "TypePattern",
    "Url",
    "UserId",
)

# In Python `$` also matches before a last line break, which none of these may have.
_END = r"$(?!\n)"
_NO_NUL = r"^[^\u0000]*$"
_NO_CONTROL = r"^[^\u0000-\u001f\u007f]+" + _END
# http, https, or a path of the application's own. Whatever a browser would read as another scheme or host is refused:
# `javascript:`, `//elsewhere`, and the backslashes and control characters that browsers quietly repair into those.
_SAFE_URL = (
    r"^(?:[hH][tT][tT][pP][sS]?://[^\s\u0000-\u0020\\]+"
    r"|(?!//)(?![A-Za-z][A-Za-z0-9+.\-]*:)[^\s\u0000-\u0020\\]+)" + _END
)

Title = Annotated[str, Meta(min_length=1, max_length=255, pattern=_NO_NUL, examples=["Your table is ready"])]
Line = Annotated[str, Meta(min_length=1, max_length=255, pattern=_NO_CONTROL)]
Label = Annotated[str, Meta(min_length=1, max_length=80, pattern=_NO_CONTROL, examples=["Open"])]
Text = Annotated[str, Meta(pattern=_NO_NUL, examples=["Table 7, by the window. We hold it for 15 minutes."])]
Url = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=_SAFE_URL,
        description="An http or https address, or a path relative to the page that shows it.",
        examples=["/bookings/7"],
    ),
]
UserId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=_NO_CONTROL,
        description="A user as the application names them.",
        examples=["alice"],
    ),
]
NotificationType = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:\-]*" + _END,
        description="What kind of notification it is, for filters and settings.",
        examples=["booking.created"],
    ),
]
TypePattern = Annotated[
    str, Meta(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:\-]*(?:\.\*)?" + _END, examples=["order.*"])
]
CollapseKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=_NO_CONTROL,
        description="While the user has an unread notification with this key, a new one updates it in place.",
        examples=["booking-7"],
    ),
]
ActionId = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9._:\-]+" + _END)]
DeviceName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=_NO_CONTROL,
        description="A device of the user, by a name of its own choice: what it acknowledges is kept under it.",
        examples=["phone-1f3a"],
    ),
]
AppId = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[a-z0-9][a-z0-9_\-]*" + _END,
        description="An app (tenant). Everything is separated by app.",
        examples=["shop"],
    ),
]
