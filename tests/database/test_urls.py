from pathlib import Path

import pytest

from bodhi.database import BadDatabaseUrl, dialect_of, mask_url, open_database, sqlite_path
from bodhi.sqlite_urls import sqlite_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:session.db", "session.db"),
        ("sqlite:folder/session.db", "folder/session.db"),
        ("sqlite:/abs/session.db", "/abs/session.db"),
        ("sqlite:///abs/session.db", "/abs/session.db"),
        ("SQLite:/abs/session.db", "/abs/session.db"),
        ("sqlite:/with%20space/100%25.db", "/with space/100%.db"),
        ("sqlite:/with space.db", "/with space.db"),
        ("sqlite::memory:", ":memory:"),
        ("sqlite:%7E/session.db", "~/session.db"),
        ("sqlite:/srv/%24HOME/session.db", "/srv/$HOME/session.db"),
        ("sqlite:%20session.db%0A", " session.db\n"),
        ("sqlite:~session.db", "~session.db"),
        ("sqlite:/srv/a~/$1.db~", "/srv/a~/$1.db~"),
    ],
)
def test_a_sqlite_url_names_a_file(url, path):
    """Relative, absolute in both ways of writing it, percent-encoded, or in memory."""
    assert ("sqlite", path) == (dialect_of(url), sqlite_path(url))


@pytest.mark.parametrize("url", ["sqlite:~/sessions.sqlite", "SQLite:~/new%20folder/sessions.sqlite"])
async def test_a_tilde_is_the_home_folder(url, tmp_path, monkeypatch):
    """No folder of that name is made anywhere; a home folder that is not known is said."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    async with open_database(url) as database:
        assert database.address == f"sqlite:{tmp_path}/home/{url.partition('~/')[2].replace('%20', ' ')}"

    assert ["home"] == [file.name for file in tmp_path.iterdir()]
    monkeypatch.setattr(Path, "home", lambda: Path("~").joinpath("x"))
    with pytest.raises(BadDatabaseUrl, match="home folder is not known"):
        open_database(url)


@pytest.mark.parametrize("folder", ["~", "$HOME", "a $b ~", "~you", "end \n", " 100%?#"])
def test_the_url_of_any_file_leads_back_to_it(folder, tmp_path):
    """Of files in $BODHI_HOME, whatever it is called."""
    path = tmp_path / folder / "session.sqlite"

    assert ("sqlite", str(path)) == (dialect_of(sqlite_url(path)), sqlite_path(sqlite_url(path)))


@pytest.mark.parametrize("url", ["postgres://db/x", "postgresql://db/x", "PostgreSQL://db/x", "postgres://a,b/x?y=z"])
def test_postgres_url_is_recognized_by_its_scheme(url):
    """In both ways of writing it."""
    assert "postgres" == dialect_of(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://user:hidden@db/x", "mysql://***"),
        ("postgresql+asyncpg://user:hidden@db/x", "postgresql+asyncpg://***"),
        ("/var/lib/session.db", "***"),
        ("", "***"),
    ],
)
def test_another_scheme_is_refused(url, said):
    """The error says which there are, and shows nothing of the URL but its scheme."""
    with pytest.raises(BadDatabaseUrl, match="write sqlite:, postgres:// or postgresql://") as caught:
        open_database(url)

    assert said in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:", "names no file"),
        ("sqlite:/", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:/folder/", "names no file"),
        ("sqlite:/nul%00.db", "names no file"),
        ("sqlite://host/session.db", "names a host"),
        ("sqlite:ann:hidden@host/session.db", "names a host or user"),
        ("sqlite:ann%3Ahidden%40host/session.db", "names a host or user"),
        ("sqlite:///ann:hidden@host/session.db", "names a host or user"),
        ("sqlite:ann:/hidden@host/session.db", "names a host or user"),
        ("sqlite:///ann:hidden/hidden@host/session.db", "names a host or user"),
        ("sqlite:ann:hidden?hidden#@host/session.db", "names a host or user"),
        ("sqlite:ann:hidden\nhidden@host/session.db", "names a host or user"),
        ("sqlite:ann:@hidden/@hidden@host/session.db", "names a host or user"),
        ("sqlite:ann%3Ahidden%2Fhidden%40host/session.db", "names a host or user"),
        ("sqlite:ann%253Ahidden%252Fhidden%2540host/session.db", "names a host or user"),
        ("sqlite:/session.db?mode=ro", "has parameters"),
        ("sqlite:/session.db#there", "has parameters"),
        ("sqlite:session.db\n", "line feed"),
        ("sqlite:/session.db\r\n", "line feed"),
        ("sqlite:\tsession.db", "line feed"),
        ("sqlite:/fol\nder/session.db", "line feed"),
        ("sqlite:/session.db ", "white space"),
        ("sqlite:$HOME/session.db", "variable"),
        ("sqlite:///${HOME}/session.db", "variable"),
        ("sqlite:/srv/session-$ENV.db", "variable"),
        ("sqlite:~somebody/session.db", "has a ~"),
        ("sqlite:///~/session.db", "has a ~"),
        ("sqlite:data/~/session.db", "has a ~"),
        ("sqlite:~", "has a ~"),
    ],
)
def test_a_sqlite_url_that_names_no_file_is_refused(url, said):
    """The error says what to write."""
    with pytest.raises(BadDatabaseUrl, match=said) as caught:
        open_database(url)

    assert "write sqlite:" in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://ann:hidden@db:5432/x", "postgres://ann:***@db:5432/x"),
        ("postgres://ann:@db/x", "postgres://ann:***@db/x"),
        ("postgres://ann@db/x", "postgres://ann@db/x"),
        ("postgres://db/x", "postgres://db/x"),
        ("postgres://:hidden@db/x", "postgres://:***@db/x"),
        ("postgres://ann:hid%40den@db/x", "postgres://ann:***@db/x"),
        ("postgres://ann:hid@den@db/x", "postgres://ann:***@db/x"),
        ("postgres://ann:hidden@one:1,two:2/x", "postgres://ann:***@one:1,two:2/x"),
        ("postgres:///x?user=ann&password=hidden&host=db", "postgres:///x?user=ann&password=***&host=db"),
        ("postgres://db/x?PASSWORD=hidden", "postgres://db/x?PASSWORD=***"),
        ("postgres://ann:hidden@db/x?sslpassword=hidden", "postgres://ann:***@db/x?sslpassword=***"),
        ("postgres://db/x?pwd=hidden&pasword=hidden", "postgres://db/x?pwd=***&pasword=***"),
        ("postgres://db/x?user=ann:hidden", "postgres://db/x?user=***"),
        ("postgres://db/x?%75ser=ann%3Ahidden&host=h", "postgres://db/x?%75ser=***&host=h"),
        ("postgres://ann%253Ahidden@db/x", "postgres://***@db/x"),
        ("postgres://u:12/ss@db/x", "postgres://***"),
        ("postgres://ann%3Ahidden@db/x", "postgres://***@db/x"),
        ("postgres://ann@hidden@db/x", "postgres://***"),
        ("postgres://ann:hid[den@db/x", "postgres://ann:***@db/x"),
        ("postgres://db/x?hidden", "postgres://***"),
        ("postgres://db/x?password=&hidden=", "postgres://db/x?***&***"),
        ("postgres://db/x?password=hid&den!=x", "postgres://***"),
        ("sqlite:/path/session.db", "sqlite:/path/session.db"),
        ("sqlite:ann:hidden@db/x", "***"),
        ("sqlite:ann:hid/den@db/x", "***"),
        ("sqlite:///ann:hid/d?e#n@db/x", "sqlite://***"),
        ("sqlite:ann%3Ahid%2Fden%40db/x", "***"),
        ("sqlite:/srv/12:00/me@home.db", "sqlite:/srv/12:00/me@home.db"),
        ("sqlite:ann%3Ahidden%40db/x", "***"),
        ("sqlite:///ann:hidden@db/x", "sqlite://***"),
        ("sqlite:/x.db?hidden", "sqlite:/x.db?***"),
        ("sqlite:/x.db#hidden", "sqlite:/x.db#***"),
    ],
)
def test_a_password_is_masked(url, shown):
    """Where it belongs, and where it may be as well; the rest of the URL can be read."""
    assert shown == mask_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ann:hid/den@db/x",
        "postgres://ann:hid?den@db/x",
        "postgres://ann:hid#den@db/x",
        "postgres://ann:hid/d@en@db/x",
        "postgres://ann:/hidden@db/x",
    ],
)
def test_a_password_that_is_not_encoded_is_refused_and_masked(url):
    """Such a URL is wrong, and it is just then that it is shown: neither part of the password may be."""
    with pytest.raises(BadDatabaseUrl, match=r"percent-encoded|written as") as caught:
        open_database(url)

    for shown in (mask_url(url), str(caught.value)):
        assert "hid" not in shown
        assert "en@" not in shown
