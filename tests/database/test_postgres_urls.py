"""PostgreSQL URLs are parsed by bodhi only: driver, DNS and errors never see user or password."""

import asyncio
import logging
import traceback
from urllib.parse import urlencode

import asyncpg
import pytest

from bodhi.database import BadDatabaseUrl, CannotOpen, open_database
from bodhi.database.postgres_hosts import ISOLATION
from bodhi.postgres_urls import read_postgres_url
from bodhi.session import DefaultSessionService
from support.certificates import write_certificate

KEY = "a key for tests, of at least thirty-two characters"
# SECRET and TAIL are parts of passwords; the error names what has to be encoded.
REFUSED = [
    ("postgres://u:a@1:SECRET@h/db", "%40"),
    ("postgres://u:SECRET@TAIL@h/db", "%40"),
    ("postgres://u@SECRET@h/db", "%40"),
    ("postgres://u:1?SECRET@h/db", "%3F"),
    ("postgres://u:1?a=SECRET@h/db", "%3F"),
    ("postgres://SECRET?TAIL@h/db", "%3F"),
    ("postgres://u:1/SECRET@h/db", "%2F"),
    ("postgres://u:SECRET/TAIL@h/db", "%2F"),
    ("postgres://u:SECRET#TAIL@h/db", "%23"),
    ("postgres://h/db#SECRET", "%23"),
    ("postgres://u:SECRET[TAIL@h/db", "%5B"),
    ("postgres://u:SECRET]TAIL@h/db", "%5D"),
    ("postgres://u:[SECRET]@h/db", "%5B"),
    ("postgres://SECRET[:p@h/db", "%5B"),
    ("postgres://u:SECRET%@h/db", "%25"),
    ("postgres://u:SECRET%zz@h/db", "%25"),
    ("postgres://u:SECRET%ff@h/db", "%25"),
    ("postgres://u:SECRET\nTAIL@h/db", "line feed"),
    ("postgres://u:SECRET", "percent-encoded"),
    ("postgres://u:SECRET/h/db", "percent-encoded"),
    ("postgres://[SECRET/db", "percent-encoded"),
    ("postgres://u:p@h:SECRET/db", "percent-encoded"),
    ("postgres://u:p@h,,SECRET/db", "percent-encoded"),
    ("postgres://u:p@h:99999/SECRET", "65535"),
    ("postgres://h/db?SECRET", "%3F"),
    ("postgres://h/db?password=SECRET@TAIL", "%40"),
    ("postgres://h/db?user=u&SECRET&a=b", "%3F"),
    ("postgres://h/db?password=SECRET%", "%25"),
    ("postgres:///db?host=a,b&port=1,2,3&password=SECRET", "ports"),
    ("postgres:///db?host=a&port=SECRET", "65535"),
    ("postgres:u:SECRET@h/db", "no //"),
    ("postgres:/u:SECRET@h/db", "no //"),
    ("postgres://h/db?password=a&SECRET!=b", "%26"),
    ("postgres://h/db?password=a&%53ECRET-TAIL=b", "%26"),
    ("postgres://u:a@SECRET:5432/db?sslmode=x@TAIL", "%40"),
    ("postgres://u:SECRET\u2028@TAIL@h/db", "%40"),
    ("postgres://u:SECRET\tTAIL@h/db", "control character"),
    ("postgres://u:SECRET%00TAIL%@h/db", "%25"),
    ("postgres://u:SECRET\\/TAIL@h/db", "%2F"),
    ("postgres://h/db?password=SECRET&channel_binding=require&sslpassword=TAIL", "channel_binding"),
    ("postgres://u:SECRET@h/db?hostaddr=TAIL", "hostaddr"),
]


@pytest.fixture
def looked_up(monkeypatch):
    """The host names that are looked up; none resolves."""
    names = []

    async def getaddrinfo(_, host, *__, **___):
        names.append(host)
        raise OSError("name or service not known")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return names


async def _open_each_way(url):
    """Return the errors that the library's entry points raise for *url*."""
    for connect in (
        DefaultSessionService.connect,
        DefaultSessionService.connect_postgres,
        DefaultSessionService.connect_sqlite,
    ):
        with pytest.raises(BadDatabaseUrl) as caught:
            await connect(url, keys=[KEY])
        yield caught.value
    for make in (DefaultSessionService.from_url, lambda url, **_: open_database(url)):
        with pytest.raises(BadDatabaseUrl) as caught:
            make(url, keys=[KEY])
        yield caught.value


@pytest.mark.parametrize(("url", "said"), REFUSED, ids=[url for url, _ in REFUSED])
async def test_unreadable_url_is_refused_without_showing_its_password(url, said, looked_up, caplog):
    """The error says what to encode, and neither it nor what caused it shows any of it; nobody is asked for a name."""
    async for error in _open_each_way(url):
        assert said in str(error)
        logging.getLogger("test").error("cannot open", exc_info=error)
        for text in (str(error), repr(error), "".join(traceback.format_exception(error)), caplog.text):
            assert "SECRET" not in text
            assert "TAIL" not in text
    assert [] == looked_up


@pytest.mark.asyncio_loop  # whose name lookups are watched
@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgres://u:SECRET@name.example/db", ["name.example"]),
        ("postgres://u%3ASECRET@name.example/db", ["name.example"]),
        ("postgres://u:a%401%3ASECRET@one.example:1,two.example/db", ["one.example", "two.example"]),
        ("postgres:///db?host=one.example,two.example&user=u&password=SECRET", ["one.example", "two.example"]),
        ("postgres://name.example/db?user=u&password=SECRET&sslpassword=SECRET", ["name.example"]),
        ("postgres://u:SECRET:SECRET@name.example/db", ["name.example"]),
        ("postgres://u%253ASECRET@name.example/db", ["name.example"]),
        ("postgres://name.example/db?user=u:SECRET&pwd=SECRET&pasword=SECRET", ["name.example"]),
    ],
)
async def test_readable_url_shows_no_password(url, hosts, looked_up, caplog):
    """In the error of a server that is not there, what caused it, the log and the reprs; hosts alone are looked up."""
    caplog.set_level(logging.DEBUG)
    service = DefaultSessionService.from_url(url, keys=[KEY])
    database = service.get_session_store().database  # type: ignore[attr-defined]

    with pytest.raises(CannotOpen) as caught:
        await service.open()

    logging.getLogger("test").error("cannot open", exc_info=caught.value)
    shown = [repr(service), repr(database), database.address, repr(read_postgres_url(url)), caplog.text]
    for text in (str(caught.value), "".join(traceback.format_exception(caught.value)), *shown):
        assert "SECRET" not in text
    assert hosts == list(dict.fromkeys(looked_up))


@pytest.mark.parametrize("user", ["u%3ASECRET", "u%3aSECRET%3aSECRET", "u%253ASECRET"])
async def test_server_error_about_a_user_shows_no_password(user, postgres_url, caplog):
    """PostgreSQL repeats the name, which is user and password where the colon between them was encoded."""
    ((host, port),) = read_postgres_url(postgres_url).hosts
    service = DefaultSessionService.from_url(f"postgres://{user}:p@{host}:{port}/db", keys=[KEY])

    with pytest.raises(CannotOpen, match="authentication failed for user") as caught:
        await service.open()

    logging.getLogger("test").error("cannot open", exc_info=caught.value)
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("password", ["a@b", "/", "?x=y", "#", "[1]", "100%", "%41", ":", "ü", " ", "a&b+c", "@h/db"])
def test_percent_encoded_password_may_contain_any_character(password):
    """In its place, and as a parameter."""
    encoded = "".join(f"%{byte:02x}" for byte in password.encode())

    for url in (f"postgres://u:{encoded}@h/db", f"postgres://h/db?user=u&password={encoded}"):
        read = read_postgres_url(url)
        assert ("u", password, "db", (("h", None),)) == (read.user, read.password, read.database, read.hosts)


DEFAULTS = {"dsn": None, "host": None, "port": None, "user": None, "password": None, "database": None}


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("postgres://", [{}]),
        ("postgres:///db", [{"database": "db"}]),
        ("postgres://:6000/db", [{"port": 6000, "database": "db"}]),
        ("postgres://h/", [{"host": "h", "database": ""}]),
        ("postgres://h/a/b%20c\n", [{"host": "h", "database": "a/b c"}]),
        ("postgres://u@h", [{"host": "h", "user": "u"}]),
        ("postgres://u:@h", [{"host": "h", "user": "u"}]),
        ("postgres://u:a:b@h", [{"host": "h", "user": "u", "password": "a:b"}]),
        ("postgres://me%40azure:p@h", [{"host": "h", "user": "me@azure", "password": "p"}]),
        (
            "postgres://h1:5432,h2:5433,h3/db",
            [{"host": f"h{n}", "port": p} for n, p in ((1, 5432), (2, 5433), (3, None))],
        ),
        ("postgres://[::1]:5433,[fe80::1]/db", [{"host": "::1", "port": 5433}, {"host": "fe80::1"}]),
        ("postgres://%2Frun%2Fpostgresql:5433/db", [{"host": "/run/postgresql", "port": 5433}]),
        ("postgres:///db?host=/run/postgresql&port=5433", [{"host": "/run/postgresql", "port": 5433}]),
        ("postgres:///db?host=h1,/tmp&port=1,2", [{"host": "h1", "port": 1}, {"host": "/tmp", "port": 2}]),
        ("postgres:///db?host=h1:1,[::1]:2", [{"host": "h1", "port": 1}, {"host": "::1", "port": 2}]),
        ("postgres://h/db?host=other&port=1&dbname=other", [{"host": "h", "database": "db"}]),
        ("postgres://h?user=u&password=a%2Bb+c&dbname=db", [{"user": "u", "password": "a+b c", "database": "db"}]),
        ("postgres://u:p@h/db?user=other&password=other", [{"user": "u", "password": "p"}]),
        ("postgres://h/db?sslmode=require&x=a+b&x=c%26&y=", [{"dsn": "postgresql://?sslmode=require&x=c%26"}]),
        ("postgres:///?service=mine", [{"dsn": "postgresql://?service=mine", "database": ""}]),
    ],
)
def test_a_url_is_read_as_asyncpg_and_libpq_read_it(url, arguments):
    """Parts that are missing are the driver's defaults: the environment, a service file, a password file."""
    read = read_postgres_url(url)

    found = [read.arguments(host) for host in read.hosts]

    assert len(arguments) == len(found)
    for expected, one in zip(arguments, found, strict=True):
        assert DEFAULTS.keys() == one.keys()
        assert expected.items() <= one.items()
        unexpected = {name for name in one.keys() - expected.keys() if one[name] is not None}
        assert unexpected <= {"host", "database"}  # which each of them has


async def test_driver_receives_parameters_instead_of_the_url(postgres_url, monkeypatch):
    """Host, port, user, password and database by themselves, with the settings of the server."""
    given = []
    connect = asyncpg.connect

    async def recording(*positional, **arguments):
        given.append((positional, arguments))
        return await connect(*positional, **arguments)

    monkeypatch.setattr(asyncpg, "connect", recording)
    async with open_database(f"{postgres_url}?application_name=bodhi+test") as database:
        assert (await database.maybe("probe_connection"))["answer"] == 1

    ((positional, arguments),) = given
    assert ((), "postgresql://?application_name=bodhi+test") == (positional, arguments["dsn"])
    assert postgres_url == "postgresql://{user}:{password}@{host}:{port}/{database}".format(**arguments)
    assert {ISOLATION: "read committed"} == arguments["server_settings"]


async def test_libpq_environment_defaults_apply(postgres_url, monkeypatch, tmp_path):
    """A password file, and variables for what the URL leaves out."""
    read = read_postgres_url(postgres_url)
    ((host, port),) = read.hosts
    passfile = tmp_path / "passfile"
    passfile.write_text(f"{host}:{port}:*:{read.user}:{read.password}\n")
    passfile.chmod(0o600)

    async with open_database(f"postgres://{read.user}@{host}:{port}/{read.database}?passfile={passfile}") as database:
        assert (await database.maybe("probe_connection"))["answer"] == 1
    values = {"HOST": host, "PORT": port, "USER": read.user, "PASSWORD": read.password, "DATABASE": read.database}
    for name, value in values.items():
        monkeypatch.setenv(f"PG{name}", str(value))
    async with open_database("postgres://") as database:
        assert (await database.maybe("probe_connection"))["answer"] == 1


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
@pytest.mark.parametrize(
    ("content", "cause"), [(None, "No such file or directory"), ("no certificate", "not a PEM file")]
)
async def test_a_tls_file_that_cannot_be_used_is_named(tmp_path, name, content, cause):
    """OpenSSL's own words name neither the parameter nor the file."""
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    certificate = write_certificate(tmp_path / "certificate.pem")
    files = {"sslrootcert": certificate, "sslcert": certificate, name: file}
    url = f"postgresql://ann:hunter2@127.0.0.1:1/bodhi?sslmode=verify-ca&{urlencode(files)}"

    with pytest.raises(CannotOpen) as caught:
        async with open_database(url):
            pass

    assert str(caught.value).endswith(f": {name} {file}: {cause}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (
            [ConnectionRefusedError(111, "refused"), asyncpg.TargetServerAttributeNotMatched("no host matches")],
            "one:1: [Errno 111] refused; two: no host matches",
        ),
        (
            [asyncpg.CannotConnectNowError("starting up"), TimeoutError()],
            "one:1: starting up; two: no answer in time",
        ),
        ([ConnectionResetError(), OSError()], "one:1: ConnectionResetError; two: OSError"),
        ([asyncpg.InvalidPasswordError("not u:SECRET"), OSError("not u:SECRET")], "one:1: not ***; two: not ***"),
    ],
)
async def test_the_error_of_several_hosts_names_each_and_its_cause(errors, said, monkeypatch):
    """The last one alone would say that no host matches, where the one that would match is not there."""
    causes = dict(zip(["one", "two"], errors, strict=True))

    async def fail(**arguments):
        raise causes[arguments["host"]]

    monkeypatch.setattr(asyncpg, "connect", fail)

    with pytest.raises(CannotOpen) as caught:
        await open_database("postgres://u%3ASECRET:x@one:1,two/db").__aenter__()

    assert str(caught.value).endswith(f"/db: {said}")


async def test_the_error_of_one_host_is_its_own(postgres_url):
    """Its address is there already."""
    with pytest.raises(CannotOpen) as caught:
        await open_database(f"{postgres_url}?target_session_attrs=standby").__aenter__()

    assert "?target_session_attrs=standby: None of the hosts match the target" in str(caught.value)
