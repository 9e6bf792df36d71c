"""libpq's parameters in the URLs of hosting providers: they work, change nothing, or are refused by name."""

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import urlencode

import asyncpg
import pytest

from bodhi.database import BadDatabaseUrl, CannotOpen, open_database
from bodhi.database.postgres_hosts import HostsInTurn
from bodhi.postgres_parameters import OMITTED
from bodhi.postgres_urls import read_postgres_url
from support.certificates import write_certificate

HARMLESS = {
    "channel_binding": ["prefer", "disable"],
    "client_encoding": ["utf8", "UTF-8", "auto"],
    "gssdelegation": ["0"],
    "gssencmode": ["disable", "prefer"],
    "keepalives": ["0", "1"],
    "keepalives_count": ["3"],
    "keepalives_idle": ["30"],
    "keepalives_interval": ["10"],
    "max_protocol_version": ["latest", "3.2"],
    "min_protocol_version": ["3.0"],
    "replication": ["false"],
    "requiressl": ["0"],
    "sslcertmode": ["allow"],
    "sslcompression": ["0", "1"],
    "sslsni": ["1"],
    "tcp_user_timeout": ["20000"],
}
REFUSED = {
    "channel_binding": ["require"],
    "client_encoding": ["latin1", "SQL_ASCII"],
    "connect_timeout": ["soon", "1.5", "5s"],
    "gssencmode": ["require"],
    "hostaddr": ["127.0.0.1"],
    "keepalives": ["on"],
    "load_balance_hosts": ["all"],
    "replication": ["database", "true"],
    "require_auth": ["scram-sha-256"],
    "requirepeer": ["postgres"],
    "ssl": ["1", "no-verify"],
    "sslcrldir": ["/etc/ssl/crl"],
    "sslsni": ["0"],
}


def test_the_harmless_ones_are_all_tried():
    """The others are refused whatever their value."""
    assert {name for name, omission in OMITTED.items() if omission.values} == HARMLESS.keys()


def test_the_reference_lists_what_is_left_out_and_what_is_refused():
    """In one table, by name."""
    page = (Path(__file__).parents[2] / "docs/reference/library.md").read_text("utf-8")
    lines = {
        kind: set(re.findall("`([a-z_]+)(?:=[^`]*)?`", line.split("|")[2]))
        for line in page.splitlines()
        for kind in ("left out", "refused")
        if line.startswith(f"| {kind} |")
    }

    assert HARMLESS.keys() == lines["left out"]
    assert OMITTED.keys() - HARMLESS.keys() == lines["refused"]


async def test_what_changes_nothing_is_left_out(postgres_url):
    """All of them in one URL, as a provider might write it."""
    for number in range(3):
        parameters = {name: values[min(number, len(values) - 1)] for name, values in HARMLESS.items()}
        async with open_database(f"{postgres_url}?{urlencode(parameters)}&connect_timeout=10") as database:
            assert 1 == (await database.maybe("probe_connection"))["answer"]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_what_cannot_be_kept_is_refused_by_name(name, value):
    """Rather than by the server, which does not know the name, or by nobody."""
    with pytest.raises(BadDatabaseUrl, match=rf"\b{name}\b") as caught:
        open_database(f"postgres://ann:hidden@127.0.0.1:1/x?{urlencode({name: value})}")

    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, omission in OMITTED.items() if not omission.values])
def test_what_the_driver_lacks_is_refused_whatever_its_value(name):
    """It asks for something that would not happen."""
    with pytest.raises(BadDatabaseUrl, match=rf"\b{name}\b"):
        open_database(f"postgres://127.0.0.1:1/x?{name}=1")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ssl=true", {"sslmode": "require"}),
        ("ssl=true&sslmode=verify-full", {"sslmode": "verify-full"}),
        ("fallback_application_name=shop", {"application_name": "shop"}),
        ("fallback_application_name=shop&application_name=cart", {"application_name": "cart"}),
        ("sslmode=require&options=endpoint%3Dep-1", {"sslmode": "require", "options": "endpoint=ep-1"}),
        ("work_mem=8MB&target_session_attrs=primary", {"work_mem": "8MB", "target_session_attrs": "primary"}),
    ],
)
def test_what_works_reaches_the_driver(query, found):
    """With what is a setting of the server."""
    assert found == read_postgres_url(f"postgres://h/db?{query}").parameters


@pytest.mark.parametrize(("seconds", "share"), [(2, 2), (0, 20), (-1, 20), (600, 20)])
def test_a_connect_timeout_shortens_the_wait_for_a_host(seconds, share):
    """0 leaves it to the time limit of the database, which holds for whatever it is."""
    url = read_postgres_url(f"postgres://h/x?connect_timeout={seconds}")

    hosts = HostsInTurn(url, limit_seconds=50, on_failover=lambda: None, sets_isolation=False)

    assert share == hosts._share_seconds


def test_load_is_balanced_by_asking_hosts_in_random_order():
    """And otherwise in that of the URL."""
    names = ",".join(f"h{number}" for number in range(50))
    orders = []
    for query in ("", "load_balance_hosts=disable", "load_balance_hosts=random"):
        url = read_postgres_url(f"postgres://{names}/x?{query}")
        orders.append(HostsInTurn(url, limit_seconds=5, on_failover=lambda: None, sets_isolation=False)._hosts)

    assert list(url.hosts) == orders[0] == orders[1] != orders[2]
    assert set(url.hosts) == set(orders[2])


@pytest.fixture
async def tls_server(postgres_server, monkeypatch):
    """A server with TLS, whose certificate the operating system trusts."""
    certificate = write_certificate(postgres_server.data_dir / "server.pem")
    owner = postgres_server.data_dir.stat()
    os.chown(certificate, owner.st_uid, owner.st_gid)
    certificate.chmod(0o600)
    connection = await asyncpg.connect(postgres_server.url())
    for name, value in {"ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": certificate}.items():
        await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    await connection.close()
    await asyncio.to_thread(postgres_server.restart)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.delenv("PGSSLMODE")
    return postgres_server


async def test_the_systems_authorities_are_trusted(tls_server, monkeypatch):
    """With sslrootcert=system, in the URL or the environment, as a provider with a public certificate says."""
    url = tls_server.url().replace("127.0.0.1", "localhost")
    for query in ("sslrootcert=system", "sslrootcert=system&sslmode=verify-full&ssl_min_protocol_version=TLSv1.2"):
        async with open_database(f"{url}?{query}") as database:
            assert 1 == (await database.maybe("probe_connection"))["answer"]
    monkeypatch.setenv("PGSSLROOTCERT", "system")
    async with open_database(url) as database:
        assert 1 == (await database.maybe("probe_connection"))["answer"]


@pytest.mark.parametrize(
    ("host", "query", "said"),
    [
        ("127.0.0.1", "", "certificate"),
        ("localhost", "&sslmode=require", "sslrootcert=system takes sslmode=verify-full"),
        ("localhost", "&ssl_min_protocol_version=SSLv3", "ssl_min_protocol_version is TLSv1.2 or TLSv1.3"),
        ("localhost", "&sslcert=/nowhere.pem", "sslcert /nowhere.pem: No such file or directory"),
    ],
)
async def test_the_systems_authorities_are_believed_of_its_own_name_alone(host, query, said, tls_server):
    """And with no weaker mode, as libpq has it."""
    url = tls_server.url().replace("127.0.0.1", host)

    with pytest.raises(CannotOpen, match=said):
        await open_database(f"{url}?sslrootcert=system{query}").__aenter__()


async def test_an_authority_that_the_system_does_not_know_is_refused(tls_server, monkeypatch):
    """The certificate is verified."""
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(CannotOpen, match="certificate"):
        await open_database(f"{tls_server.url().replace('127.0.0.1', 'localhost')}?sslrootcert=system").__aenter__()
