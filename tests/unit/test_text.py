import msgspec
import pytest

from notify.core import text

BOUNDED = {
    "ActionId": 64,
    "AppId": 64,
    "CollapseKey": 255,
    "Label": 80,
    "Line": 255,
    "NotificationType": 100,
    "Title": 255,
    "Url": 2048,
    "UserId": 255,
}


def takes(name: str, value: str) -> bool:
    try:
        msgspec.convert(value, getattr(text, name))
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(("name", "longest"), BOUNDED.items())
def test_each_is_bounded(name: str, longest: int) -> None:
    assert takes(name, "a" * longest)
    assert not takes(name, "a" * (longest + 1))
    assert not takes(name, "")


@pytest.mark.parametrize("name", text.__all__)
def test_none_takes_a_nul(name: str) -> None:
    assert not takes(name, "a\x00b")
    assert not takes(name, "\x00")
    assert not takes(name, "a\x00")


@pytest.mark.parametrize("name", ["CollapseKey", "Label", "Line", "UserId"])
@pytest.mark.parametrize("control", ["\n", "\r", "\t", "\x1f", "\x7f"])
def test_a_line_is_one_line(name: str, control: str) -> None:
    for value in (f"a{control}b", f"a{control}", f"{control}a"):
        assert not takes(name, value)


@pytest.mark.parametrize("name", ["CollapseKey", "Label", "Line", "Title", "UserId"])
@pytest.mark.parametrize("value", ["grüße", "日本", "🛎", "a b", " ", "a'b\"c", "<script>", "a/b?c#d", "\u202e"])
def test_whatever_can_be_read_is_taken(name: str, value: str) -> None:
    assert takes(name, value)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/a?b=c#d",
        "HTTP://shop.example",
        "https://[::1]:8000/",
        "/bookings/7",
        "bookings/7",
        "?page=2",
        "#top",
        "./a:b",
        "/a:b",
        "grüße/7",
        "/",
    ],
)
def test_these_addresses_are_safe_to_show_as_links(url: str) -> None:
    assert takes("Url", url)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\nscript:alert(1)",
        " javascript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "mailto:a@b.example",
        "//elsewhere.example",
        "\\\\elsewhere.example",
        "/\\elsewhere.example",
        "https:\\\\elsewhere.example",
        "https://",
        "https:elsewhere.example",
        "a b",
        "/a\n",
        "/a\tb",
        "/a\u2028b",
        "x-custom+scheme:1",
    ],
)
def test_these_are_not(url: str) -> None:
    assert not takes("Url", url)


@pytest.mark.parametrize("value", ["booking.created", "a", "A-1_b:c.d", "0"])
def test_a_type_is_a_plain_word(value: str) -> None:
    assert takes("NotificationType", value)


@pytest.mark.parametrize("value", [".a", "-a", "a b", "ä", "a/b", "a\n", ":"])
def test_these_are_no_types(value: str) -> None:
    assert not takes("NotificationType", value)


@pytest.mark.parametrize(
    ("value", "good"), [("shop", True), ("0-a_b", True), ("Shop", False), ("-a", False), ("a\n", False)]
)
def test_an_app_is_named_in_small_letters(value: str, good: bool) -> None:  # noqa: FBT001
    assert takes("AppId", value) is good
