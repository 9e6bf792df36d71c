"""A browser's User-Agent header in plain words: ``Firefox on Linux``.

Browsers write few forms nowadays, and those few are looked for here, by parts of the text alone: 3 microseconds a text.
The libraries for this bring hundreds of regular expressions, for devices that nobody logs in with. ua-parser 1.0.2 took
0.34 s of one core until its first answer, beside 0.56 s for all that bodhi imports, and a millisecond a new text.
"""

from collections.abc import Sequence

UNKNOWN = "Unknown device"

# The first that is found counts: most browsers also name those that they descend from.
BROWSERS: Sequence[tuple[str, str]] = (
    ("Edg", "Edge"),  # Edg/, EdgA/, EdgiOS/, Edge/
    ("OPR/", "Opera"),
    ("OPiOS/", "Opera"),
    ("OPT/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("MSIE ", "Internet Explorer"),
    ("Trident/", "Internet Explorer"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("python", "Python"),
    ("Python/", "Python"),
    ("Go-http-client/", "Go"),
    ("okhttp/", "an Android app"),
)
SYSTEMS: Sequence[tuple[str, str]] = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("iPod", "iPod"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("FreeBSD", "FreeBSD"),
    ("OpenBSD", "OpenBSD"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
)


def device_of(user_agent: str | None) -> str:
    """What *user_agent* stands for; nothing of the text itself, which may say anything."""
    browser, system = _found(BROWSERS, user_agent or ""), _found(SYSTEMS, user_agent or "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or UNKNOWN


def _found(names: Sequence[tuple[str, str]], text: str) -> str | None:
    return next((name for part, name in names if part in text), None)
