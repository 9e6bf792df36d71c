"""The users of the demo server, with their browsers."""

from dataclasses import dataclass, field

from bodhi.server.access.scopes import Role, TokenScope
from bodhi.testing.identity_provider import Person

_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {_BLINK} Mobile Safari/537.36"
EDGE = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK} Safari/537.36 Edg/141.0.0.0"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {_APPLE} Mobile/15E148 Safari/604.1"
MAC = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_APPLE} Safari/605.1.15"


@dataclass(frozen=True)
class Login:
    """A session created *hours* ago and last used *used_hours* ago."""

    user_agent: str
    address: str
    hours: float
    used_hours: float = 0


@dataclass(frozen=True)
class Token:
    """An API token created *days* ago."""

    name: str
    scope: TokenScope
    days: int
    days_left: int
    is_active: bool = True


@dataclass(frozen=True)
class DemoUser:
    """A user with sessions and tokens, and a role request made *requested_hours* ago, if any."""

    username: str
    given_name: str
    family_name: str
    role: Role | None
    logins: list[Login] = field(default_factory=list)
    requested_hours: float | None = None
    tokens: list[Token] = field(default_factory=list)

    @property
    def seen_hours(self) -> float:
        """Hours since the last visit; days for users without a session."""
        return min((login.used_hours for login in self.logins), default=221)

    @property
    def person(self) -> Person:
        """The account at the provider."""
        return Person(self.username, self.given_name, self.family_name)


DEMO_USERS = (
    DemoUser(
        "ada",
        "Ada",
        "Byron",
        Role.ADMIN,
        [Login(ANDROID, "198.51.100.23", 50, 0.4), Login(MAC, "2001:db8::7", 26, 3.1)],
        tokens=[
            Token("Old laptop", TokenScope.USER, 61, 29, is_active=False),
            Token("Nightly backup", TokenScope.POWER_USER, 12, 78),
        ],
    ),
    DemoUser("grace", "Grace", "Hopper", Role.MANAGER, [Login(EDGE, "203.0.113.80", 6.2, 0.1)]),
    DemoUser(
        "alan",
        "Alan",
        "Turing",
        Role.POWER_USER,
        [
            Login(FIREFOX, "203.0.113.41", 149, 0.2),
            Login(IPHONE, "198.51.100.140", 75, 9.7),
            Login(EDGE, "203.0.113.41", 20.3, 18.9),
        ],
    ),
    DemoUser("emmy", "Emmy", "Noether", Role.POWER_USER, [Login(FIREFOX, "203.0.113.17", 3.3, 1.2)]),
    DemoUser("george", "George", "Boole", Role.USER, [Login(IPHONE, "198.51.100.77", 80, 0.8)]),
    DemoUser(
        "hedy", "Hedy", "Lamarr", Role.USER, [Login(MAC, "2001:db8::19", 29, 2), Login(ANDROID, "198.51.100.6", 5, 1)]
    ),
    DemoUser("katherine", "Katherine", "Johnson", Role.USER),
    DemoUser("mary", "Mary", "Somerville", Role.USER, [Login(EDGE, "203.0.113.55", 7.5, 0.6)]),
    DemoUser("charles", "Charles", "Babbage", None, [Login(MAC, "203.0.113.99", 21.4, 0.3)], requested_hours=21.4),
    DemoUser("sofia", "Sofia", "Kovalevskaya", None, [Login(IPHONE, "198.51.100.31", 1.7, 1.6)], requested_hours=1.7),
)
