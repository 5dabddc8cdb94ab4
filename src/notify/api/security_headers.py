"""What every answer tells a browser, whatever it answers and wherever it is made."""

__all__ = ("SECURITY_HEADERS", "SECURITY_LINES")

SECURITY_HEADERS = (
    # What we say it is, it is: nobody's text is taken for a page or a script.
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    # A page elsewhere may not load answers as if they were images or scripts. `fetch` and `EventSource` are not
    # concerned: those ask by the rules of CORS.
    (b"cross-origin-resource-policy", b"same-origin"),
)

SECURITY_LINES = b"".join(b"%b: %b\r\n" % header for header in SECURITY_HEADERS)
"""The same as they stand on the socket."""
