import pytest

from bodhi.database import statements
from bodhi.database.statements import BadStatement, Statement, load_statements, parse

TWO = """
-- A word on the file.

-- name: find(low, high) -> many, read only
-- A word on the statement.
SELECT name  -- and one on the line
  FROM thing
 WHERE size BETWEEN $1 AND $2;

-- name: forget() -> count
DELETE FROM thing;
"""


def parsed(text: str) -> list[Statement]:
    """Parse the statements in *text*."""
    return list(parse(text, source="sqlite/thing.sql"))


def test_a_statement_is_its_header_and_its_body():
    """Name, parameters and result come from the header; comments and the semicolon are not sent."""
    find, forget = parsed(TWO)

    assert ("find", ("low", "high"), "many") == (find.name, find.params, find.result)
    assert ["SELECT", "name", "FROM", "thing", "WHERE", "size", "BETWEEN", "$1", "AND", "$2"] == find.sql.split()
    assert ("forget", (), "count", "DELETE FROM thing") == (forget.name, forget.params, forget.result, forget.sql)


def test_a_header_declares_what_is_read_only():
    """A reader's connection runs nothing else."""
    assert [True, False] == [statement.is_read_only for statement in parsed(TWO)]


@pytest.mark.parametrize(
    "header",
    [
        "-- name: find-it() -> many",
        "-- name: Find() -> many",
        "-- name: find( -> many",
        "-- name: find()",
        "-- name: find() -> rows",
        "-- name: find() => many",
        "-- name: find() -> many, reads",
        "-- name: find() -> many -- not filtered",
        "-- name:find() -> many",
    ],
)
def test_an_unreadable_header_is_refused(header):
    """The error names the file and quotes the line."""
    with pytest.raises(BadStatement, match=r"sqlite/thing\.sql") as caught:
        parsed(f"{header}\nSELECT 1;")

    assert header in str(caught.value)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("find(low, high)", "SELECT $1"),
        ("find(low)", "SELECT $1, $2"),
        ("find(low, high)", "SELECT $1, $3"),
        ("find()", "SELECT $1"),
        ("find(low)", "SELECT 1 -- $1"),
    ],
)
def test_placeholders_that_are_not_the_parameters_are_refused(header, body):
    """Exactly $1 to $n for n parameters; a placeholder in a comment is none."""
    with pytest.raises(BadStatement, match="find takes"):
        parsed(f"-- name: {header} -> many\n{body};")


def test_a_parameter_named_twice_is_refused():
    """One of the two values would be lost."""
    with pytest.raises(BadStatement, match="names a parameter twice"):
        parsed("-- name: find(low, low) -> many\nSELECT $1, $2;")


@pytest.mark.parametrize("body", ["", "-- nothing but a comment", "SELECT 1;\nSELECT 2;"])
def test_a_body_that_is_not_one_statement_is_refused(body):
    """Neither none nor two: a second one would run or not, depending on the driver."""
    with pytest.raises(BadStatement, match="find is not one statement"):
        parsed(f"-- name: find() -> many\n{body}")


def test_a_quoted_body_may_hold_several_statements():
    """A DO block is one statement with others in it."""
    assert 1 == len(parsed("-- name: work() -> maybe\nDO $$ BEGIN PERFORM 1; PERFORM 2; END $$;"))


@pytest.mark.parametrize("text", ["", "-- only a comment\n"])
def test_a_file_without_statements_is_refused(text):
    """It is most likely not what somebody meant to write."""
    with pytest.raises(BadStatement, match="no statement"):
        parsed(text)


def test_sql_without_a_header_is_refused():
    """A header with a slip in it is a comment to SQL: what follows would be lost without a word."""
    with pytest.raises(BadStatement, match=r"thing\.sql"):
        parsed("--name: find() -> many\nSELECT 1;\n\n-- name: forget() -> count\nDELETE FROM thing;")


def test_duplicate_statement_name_is_refused(tmp_path, monkeypatch):
    """Also in two files of one dialect."""
    for file in ("one.sql", "two.sql"):
        (tmp_path / file).write_text("-- name: find() -> many\nSELECT 1;")
    monkeypatch.setattr(statements, "sql_folder", lambda dialect: tmp_path)

    with pytest.raises(BadStatement, match=r"two\.sql: find is there twice"):
        load_statements.__wrapped__("sqlite")


def test_values_go_to_their_placeholders():
    """By name, whatever their order in the call."""
    find, _ = parsed(TWO)

    assert (1, 2) == find.arguments({"high": 2, "low": 1})


@pytest.mark.parametrize("values", [{"low": 1}, {"low": 1, "height": 2}, {"low": 1, "high": 2, "more": 3}, {}])
def test_values_that_are_not_the_parameters_are_refused(values):
    """The error shows the statement's signature."""
    find, _ = parsed(TWO)

    with pytest.raises(TypeError, match=r"find takes \(low, high\)"):
        find.arguments(values)
