"""Canaille: ``python server.py`` creates its database, and serves until it is terminated.

PROVIDER_PORT, PROVIDER_KEY (PEM), PROVIDER_TOKEN_SECONDS, PROVIDER_DATABASE (path), PROVIDER_ACCOUNTS and
PROVIDER_CLIENT (JSON) say how.
"""

import json
from datetime import UTC, datetime
from os import environ
from typing import Any

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from joserfc.jwk import RSAKey
from werkzeug.serving import run_simple

PORT = int(environ["PROVIDER_PORT"])
KEY = RSAKey.import_key(environ["PROVIDER_KEY"])
TOKEN_SECONDS = int(environ["PROVIDER_TOKEN_SECONDS"])
CONFIG = {
    "SECRET_KEY": "of-a-test-and-nothing-else",
    "SERVER_NAME": f"127.0.0.1:{PORT}",
    "PREFERRED_URL_SCHEME": "http",
    "OAUTH2_TOKEN_EXPIRES_IN": {"authorization_code": TOKEN_SECONDS, "refresh_token": TOKEN_SECONDS},
    "CANAILLE": {"JAVASCRIPT": False, "CAPTCHA_ENABLED": False, "SMTP": None},
    "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{environ['PROVIDER_DATABASE']}"},
    "CANAILLE_OIDC": {"ACTIVE_JWKS": [{**KEY.as_dict(private=True), "kid": KEY.thumbprint()}]},
}


def create_client(client: dict[str, Any]) -> None:
    """Register the client; one whose ``client_uri`` is in TRUSTED_DOMAINS shows no page of consent."""
    found = models.Client(
        client_id=client["client_id"],
        client_secret=client["client_secret"],
        client_id_issued_at=datetime.now(UTC),
        client_name="bodhi",
        client_uri="http://127.0.0.1",
        redirect_uris=[client["redirect_uri"]],
        post_logout_redirect_uris=[client["post_logout_redirect_uri"]],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        scope=["openid", "email", "profile", "groups"],
        token_endpoint_auth_method="client_secret_basic",
    )
    Backend.instance.save(found)
    found.audience = [found]
    Backend.instance.save(found)


def create_accounts(accounts: list[dict[str, Any]]) -> None:
    """Create people and their groups."""
    people = {}
    for account in accounts:
        people[account["username"]] = person = models.User(
            user_name=account["username"],
            display_name=account["username"],
            given_name=account["given_name"],
            family_name=account["family_name"],
            formatted_name=f"{account['given_name']} {account['family_name']}",
            emails=[account["email"]],
            password=account["password"],
        )
        Backend.instance.save(person)
    for name in sorted({name for account in accounts for name in account["groups"]}):
        members = [people[account["username"]] for account in accounts if name in account["groups"]]
        Backend.instance.save(models.Group(display_name=name, members=members))


if __name__ == "__main__":
    app = create_app(CONFIG)
    with app.app_context(), Backend.instance.session():
        if not Backend.instance.query(models.Client):
            create_client(json.loads(environ["PROVIDER_CLIENT"]))
            create_accounts(json.loads(environ["PROVIDER_ACCOUNTS"]))
    run_simple("127.0.0.1", PORT, app, threaded=True)
