import pytest

from bodhi.server.http.devices import UNKNOWN, device_of

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT}"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
MACINTOSH = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
DEVICES = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Linux",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Windows",
    f"{WINDOWS} Chrome/141.0.0.0 Safari/537.36": "Chrome on Windows",
    f"{WINDOWS} Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0": "Edge on Windows",
    f"{WINDOWS} Chrome/141.0.0.0 Safari/537.36 OPR/122.0.0.0": "Opera on Windows",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/141.0.0.0 Safari/537.36": "Chrome on ChromeOS",
    f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/141.0.0.0 Mobile Safari/537.36": "Chrome on Android",
    f"Mozilla/5.0 (Linux; Android 14; SM-S901B) {WEBKIT} SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36": (
        "Samsung Internet on Android"
    ),
    "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0": "Firefox on Android",
    f"{IPHONE} Version/18.6 Mobile/15E148 Safari/604.1": "Safari on iPhone",
    f"{IPHONE} CriOS/141.0.0.0 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
    f"{IPHONE} FxiOS/140.0 Mobile/15E148 Safari/605.1.15": "Firefox on iPhone",
    f"{IPHONE} EdgiOS/141.0 Version/18.0 Mobile/15E148 Safari/604.1": "Edge on iPhone",
    f"{MACINTOSH} Version/18.6 Safari/605.1.15": "Safari on macOS",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko": "Internet Explorer on Windows",
    "curl/8.14.1": "curl",
    "Python/3.13 aiohttp/3.14.5": "Python",
    "python-requests/2.32": "Python",
    "Mozilla/5.0 (X11; Linux x86_64)": "Linux",
}


@pytest.mark.parametrize(("user_agent", "device"), DEVICES.items(), ids=DEVICES.values())
def test_user_agent_is_named_as_browser_and_system(user_agent, device):
    """As people call it."""
    assert device == device_of(user_agent)


@pytest.mark.parametrize("user_agent", [None, "", "x", "<script>", "\x00", "A" * 100_000, "firefox/1 on linux"])
def test_other_user_agents_are_unknown_devices(user_agent):
    """And nothing of it is shown."""
    assert UNKNOWN == device_of(user_agent)
