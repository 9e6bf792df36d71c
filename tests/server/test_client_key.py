"""Keys that the settings accept by their form, and that cannot sign."""

import json

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from bodhi.errors import ConfigurationError
from bodhi.server.app import create_app
from bodhi.settings import load_settings

RSA = RSAKey.generate_key(2048)


def jwk(key, **further):
    """Return a private key as JWK."""
    return json.dumps({**key.as_dict(private=True), **further})


@pytest.mark.parametrize(
    "key",
    [
        OKPKey.generate_key("X25519").as_pem(private=True).decode(),
        ECKey.generate_key("secp256k1").as_pem(private=True).decode(),
        jwk(RSA, use="enc"),
        jwk(RSA, key_ops=["verify"]),
        jwk(RSA, alg="HS256"),
        jwk(ECKey.generate_key("P-256"), alg="ES512"),
    ],
    ids=["X25519", "secp256k1", "use", "key_ops", "alg", "other alg"],
)
async def test_key_that_cannot_sign_is_named(tmp_path, key):
    """At the start, rather than by each login that fails; nothing of the key is shown."""
    environ = {
        "BODHI_HOME": str(tmp_path / "bodhi"),
        "BODHI_AUTH_ISSUER": "https://login.example.org",
        "BODHI_CLIENT_ID": "bodhi",
        "BODHI_CLIENT_KEY": key,
    }
    expected = "BODHI_CLIENT_KEY (environment): it is not a private key that can sign"

    with pytest.raises(ConfigurationError) as error:
        create_app(load_settings(environ=environ, cwd=tmp_path))

    assert str(error.value).startswith(expected)
    assert not {text for text in (key, key[40:60]) if text in str(error.value)}
