"""Encryption: bound to its row, told apart by key, and closed to any change."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodhi import keyring
from bodhi.errors import ConfigurationError
from bodhi.keyring import NEWEST_FORMAT, Keyring, UnknownKey, Unreadable

OLD, NEW = "an old key with its thirty-two characters", "a new key with its thirty-two characters"
DIGEST, OTHER_DIGEST = b"\x01" * 32, b"\x02" * 32
BOUNDED = settings(max_examples=100)


@BOUNDED
@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32))
def test_what_was_sealed_opens(plaintext, digest):
    """Whatever it is, for its own row."""
    assert plaintext == Keyring([OLD]).open(Keyring([OLD]).seal(plaintext, digest), digest)


@BOUNDED
@given(st.data())
def test_any_change_is_noticed(data):
    """A byte changed, removed or added anywhere opens nothing and raises nothing unexpected."""
    sealed = bytearray(Keyring([OLD]).seal(b"the data", DIGEST))
    position = data.draw(st.integers(0, len(sealed) - 1))
    change = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if change == "flip":
        sealed[position] ^= data.draw(st.integers(1, 255))
    elif change == "cut":
        del sealed[position:]
    else:
        sealed.insert(position, sealed[position])

    with pytest.raises((Unreadable, UnknownKey)):
        Keyring([OLD]).open(bytes(sealed), DIGEST)


@BOUNDED
@given(st.binary(max_size=80))
def test_garbage_opens_nothing(garbage):
    """Of whatever length."""
    with pytest.raises((Unreadable, UnknownKey)):
        Keyring([OLD]).open(garbage, DIGEST)


@pytest.mark.parametrize("columns", [None, b"columns"], ids=["format 1", "format 2"])
@pytest.mark.parametrize("position", range(5))
def test_the_header_is_authenticated(position, columns):
    """Format and key id: also where the format is known, and the key id leads to the same key."""
    ring = Keyring([OLD])
    sealed = bytearray(ring.seal(b"the data", DIGEST, columns))
    sealed[position] ^= 3 if position == 0 else 1  # format 1 becomes 2, and 2 becomes 1
    ring._keys[bytes(sealed[1:5])] = ring._keys[ring._newest]

    with pytest.raises(Unreadable):
        ring.open(bytes(sealed), DIGEST, b"columns")


@BOUNDED
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_data_of_format_2_opens_with_its_columns_alone(columns, others):
    """With none, with more, and with others it does not."""
    ring = Keyring([OLD])
    sealed = ring.seal(b"the data", DIGEST, columns)

    assert b"the data" == ring.open(sealed, DIGEST, columns)
    if columns != others:
        with pytest.raises(Unreadable):
            ring.open(sealed, DIGEST, others)


def test_each_row_has_a_key_of_its_own():
    """So the nonces of a key are those of one row: the same nonce in two rows shows nothing of their data."""
    ring = Keyring([OLD])
    streams = []
    for digest in (DIGEST, OTHER_DIGEST):
        cipher = keyring._row_cipher(ring._keys[ring._newest], digest)
        streams.append(cipher.encrypt(bytes(12), bytes(64), None)[:64])

    assert streams[0] != streams[1]


def test_data_of_another_row_opens_nothing():
    """The digest is authenticated with the data."""
    with pytest.raises(Unreadable):
        Keyring([OLD]).open(Keyring([OLD]).seal(b"the data", DIGEST), OTHER_DIGEST)


def test_the_same_data_never_looks_the_same():
    """Every sealing has a nonce of its own."""
    sealed = {Keyring([OLD]).seal(b"the data", DIGEST) for _ in range(100)}

    assert 100 == len(sealed)
    assert 100 == len({one[5:17] for one in sealed})


def test_the_sealed_form_is_as_documented():
    """Format, key id, nonce, then ciphertext and tag: 33 bytes more than the plaintext."""
    sealed = Keyring([OLD]).seal(b"the data", DIGEST)

    assert 1 == sealed[0]
    assert 33 + len(b"the data") == len(sealed)
    assert b"the data" not in sealed
    bound = Keyring([OLD]).seal(b"the data", DIGEST, b"columns")
    assert (2, 33 + len(b"the data"), sealed[1:5]) == (bound[0], len(bound), bound[1:5])


def test_the_first_key_writes_and_all_read():
    """Newest first."""
    by_old, both = Keyring([OLD]).seal(b"old", DIGEST), Keyring([NEW, OLD])
    by_both = both.seal(b"new", DIGEST)

    assert (b"old", b"new") == (both.open(by_old, DIGEST), both.open(by_both, DIGEST))
    assert b"new" == Keyring([NEW]).open(by_both, DIGEST)
    with pytest.raises(UnknownKey):
        Keyring([OLD]).open(by_both, DIGEST)
    assert (False, True) == (both.is_newest(by_old), both.is_newest(by_both))
    assert not both.is_newest(by_both, NEWEST_FORMAT)
    assert both.is_newest(both.seal(b"new", DIGEST, b""), NEWEST_FORMAT)


def test_key_ids_reveal_nothing_about_the_keys():
    """Neither the key nor its plain hash stands in front of the data."""
    sealed = Keyring([OLD]).seal(b"", DIGEST)

    assert sealed[1:5] not in OLD.encode()
    assert Keyring([NEW]).seal(b"", DIGEST)[1:5] != sealed[1:5] == Keyring([OLD]).seal(b"", DIGEST)[1:5]


def test_keys_may_be_bytes_and_text():
    """The bytes of a text are the same key."""
    assert b"x" == Keyring([OLD]).open(Keyring([OLD.encode()]).seal(b"x", DIGEST), DIGEST)
    assert b"x" == Keyring([os.urandom(32), OLD]).open(Keyring([OLD]).seal(b"x", DIGEST), DIGEST)


@pytest.mark.parametrize(
    "keys", [[], (), "one key of thirty-two characters, but no list", ["hunter2"], [OLD, ""], [OLD, b"x" * 31]]
)
def test_keys_that_protect_nothing_are_refused(keys):
    """With a message that shows none of them."""
    with pytest.raises(ConfigurationError, match="key") as refused:
        Keyring(keys)

    for key in keys:
        if len(key) > 1:
            assert str(key) not in str(refused.value)


def test_a_keyring_shows_no_key():
    """Not even its id."""
    assert "<Keyring of 2>" == repr(Keyring([NEW, OLD]))
    assert "<Keyring of 1>" == repr(Keyring([OLD, OLD]))
