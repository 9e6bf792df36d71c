"""A Django project with django-oauth-toolkit: ``python server.py`` migrates, and serves until it is terminated.

PROVIDER_PORT, PROVIDER_KEY (PEM), PROVIDER_TOKEN_SECONDS, PROVIDER_DATABASE (path), PROVIDER_ACCOUNTS and
PROVIDER_CLIENT (JSON) say how.
"""

import json
import sys
from os import environ
from typing import Any

import django
from django.core.management import call_command, execute_from_command_line


def create_client(client: dict[str, Any]) -> None:
    """Register the client, unless it is known from before a restart."""
    from oauth2_provider.models import get_application_model

    get_application_model().objects.get_or_create(
        client_id=client["client_id"],
        defaults={
            "name": "bodhi",
            "client_secret": client["client_secret"],
            "client_type": "confidential",
            "authorization_grant_type": "authorization-code",
            "algorithm": "RS256",
            "skip_authorization": True,
            "redirect_uris": client["redirect_uri"],
            "post_logout_redirect_uris": client["post_logout_redirect_uri"],
        },
    )


def create_account(account: dict[str, Any]) -> None:
    """Create an account with its groups, unless it is known from before a restart."""
    from django.contrib.auth.models import Group, User

    user, is_new = User.objects.get_or_create(
        username=account["username"],
        defaults={"first_name": account["given_name"], "last_name": account["family_name"], "email": account["email"]},
    )
    if is_new:
        user.set_password(account["password"])
        user.save()
        user.groups.set([Group.objects.get_or_create(name=name)[0] for name in account["groups"]])


if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0)
    create_client(json.loads(environ["PROVIDER_CLIENT"]))
    for account in json.loads(environ["PROVIDER_ACCOUNTS"]):
        create_account(account)
    execute_from_command_line(
        [sys.argv[0], "runserver", f"127.0.0.1:{environ['PROVIDER_PORT']}", "--noreload", "--skip-checks"]
    )
