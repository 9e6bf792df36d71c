"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodhi.settings import BY_NAME
from bodhi.settings.durations import format_duration, parse_duration

DURATIONS = [setting for setting in BY_NAME.values() if setting.kind.is_duration]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("0.5", 0.5),
        ("90s", 90),
        ("30m", 1_800),
        ("24h", 86_400),
        ("14d", 1_209_600),
        ("1h30m", 5_400),
        ("1d2h3m4s", 93_784),
        ("1d1s", 86_401),
        ("90m90s", 5_490),
        ("1.5h", 5_400),
        ("1.1h", 3_960),
        ("0.07d", 6_048),
        ("1m0.5s", 60.5),
        ("007s", 7),
    ],
)
def test_duration_is_parsed(text, seconds):
    """Exactly: a whole number of seconds is one, whatever a float makes of the factors."""
    assert seconds == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "s", "h", "1d 2x", "1d2x", "1 d", " 1d", "1d\n", "-1", "-1d", "+1d", "1w", "1M", "1ms", "3 weeks"),
        *("1h30", "30m1h", "1h1h", "1.5h30m", "1.", ".5", "1.5.5s", "1,5h", "1_0", "٣h", "1²s", "1e3", "inf", "0x1s"),
        *("9" * 13, "9" * 13 + "d", "1.1234567s", "9" * 100_000, "1d" * 50_000, "1." + "1" * 100_000),
    ],
)
def test_other_text_is_refused(text):
    """With a phrase that continues after the text."""
    with pytest.raises(ValueError, match=r"^is not a duration$"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "0.5s"),
        (1e-06, "0.000001s"),
        (60, "1m"),
        (90, "1m30s"),
        (100, "1m40s"),
        (5_400, "1h30m"),
        (86_400, "24h"),
        (129_600, "36h"),
        (172_800, "2d"),
        (1_209_600, "14d"),
        (1_216_861, "14d2h1m1s"),
        (315_360_000, "3650d"),
    ],
)
def test_duration_is_formatted(seconds, text):
    """Hours up to two days, as in 24h and 36h."""
    assert text == format_duration(seconds)


@given(st.integers(min_value=0, max_value=10**15))
def test_what_is_formatted_is_parsed(microseconds):
    """To the same number."""
    seconds = microseconds / 1_000_000

    assert seconds == parse_duration(format_duration(seconds))


@pytest.mark.parametrize("setting", DURATIONS, ids=lambda setting: setting.name)
def test_defaults_and_bounds_are_written_the_same_way(setting):
    """As the settings page, `config list` and errors show them."""
    if isinstance(setting.default, str):
        assert setting.default == format_duration(setting.kind.parse(setting.default))
    assert setting.kind.least == setting.kind.parse(format_duration(setting.kind.least))
    assert setting.kind.most == setting.kind.parse(format_duration(setting.kind.most))


@pytest.mark.parametrize("setting", DURATIONS, ids=lambda setting: setting.name)
def test_examples_are_allowed(setting):
    """Of every setting: what an error suggests is accepted."""
    examples = setting.kind.allowed.partition("such as ")[2].removesuffix(", or a number of seconds").split(", ")

    assert examples
    for example in examples:
        assert setting.kind.parse(example)


def test_every_setting_in_seconds_is_a_duration():
    """None is a plain number, and so refuses units."""
    from bodhi.settings import SETTINGS

    assert [name for name in SETTINGS if name.endswith("_seconds")] == [
        name for name, setting in SETTINGS.items() if setting.kind.is_duration
    ]


def test_fault_shows_the_text_and_how_to_write_it(machine):
    """With bounds in the same form; of two settings that contradict, both are shown so."""
    [fault] = machine.faults(BODHI_SESSION_IDLE_TIMEOUT="3 weeks")
    assert fault == (
        'BODHI_SESSION_IDLE_TIMEOUT (environment): "3 weeks" is not a duration; allowed: a duration from 1s to 3650d, '
        "such as 14d, 36h, 1h30m, 90s, or a number of seconds"
    )
    [fault] = machine.faults(BODHI_SESSION_IDLE_TIMEOUT="21d")
    assert fault == (
        "BODHI_SESSION_IDLE_TIMEOUT (environment): 21d must not be more than "
        "BODHI_SESSION_ABSOLUTE_TIMEOUT=14d (default)"
    )


def test_units_are_read_from_every_source(machine):
    """Command line, environment, .env and settings.yaml."""
    machine.command_line = {"BODHI_SESSION_IDLE_TIMEOUT": "1h30m"}
    machine.write_dotenv("BODHI_SESSION_TOUCH_INTERVAL=1m30s\n")
    machine.write_yaml("BODHI_SESSION_SWEEP_INTERVAL: 2m5s\nBODHI_AUTH_TIMEOUT: 2.5\n")

    settings = machine.load(BODHI_SESSION_ABSOLUTE_TIMEOUT="2d12h")

    assert (5_400, 216_000) == (settings.idle_seconds, settings.lifetime_seconds)
    assert (90, 125, 2.5) == (settings.touch_seconds, settings.sweep_seconds, settings.auth_timeout_seconds)
