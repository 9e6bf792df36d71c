"""Requests to the provider that show whether this server's client is right, and log nobody in.

An authorization request without a login page (``prompt=none``) comes back to the redirect URI only if it is registered;
where a provider does not know that, its login page differs from its answer to a redirect URI that nobody registered.
A code grant with a made-up code shows that the client is accepted where a made-up secret is answered in another way:
providers have codes of their own for either, and some look at the code before the client.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, parse_qsl, urlsplit

from bodhi.oidc.client import IdentityProvider, pkce_challenge
from bodhi.oidc.client_authentication import may_be_unauthenticated
from bodhi.oidc.errors import ProviderRefused
from bodhi.oidc.transport import Answer, Transport
from bodhi.server.access.instance import Instance
from bodhi.server.http.paths import CALLBACK_PATH
from bodhi.settings import Settings

# Answers to prompt=none. Source: OpenID Connect Core 3.1.2.6.
_NO_LOGIN = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the provider answered: *error* is an OAuth error code, "" for a refusal without one, None for none."""

    error: str | None
    status: int = 0
    is_clear: bool = True
    is_shown_there: bool = False  # by the provider itself, rather than brought back to the redirect URI


async def request_authorization(
    settings: Settings, provider: IdentityProvider, transport: Transport, instance: Instance
) -> Outcome:
    """Return how the provider answers an authorization request; None as its error: it comes back as it should."""
    parameters = parse_qsl(settings.auth_parameters or "", keep_blank_values=True)
    silent = [*((name, value) for name, value in parameters if name != "prompt"), ("prompt", "none")]

    async def ask(redirect_uri: str, further: Sequence[tuple[str, str]]) -> Answer:
        url = await provider.authorization_url(
            instance.client_id,
            redirect_uri=redirect_uri,
            state=secrets.token_hex(16),
            nonce=secrets.token_hex(16),
            challenge=pkce_challenge(secrets.token_urlsafe(32)),
            parameters=further,
        )
        return await transport.get("authorization", url, accept="text/html")

    callback = callback_url(settings)
    ours = []
    for further in (silent, parameters):
        ours.append(answer := await ask(callback, further))
        if _page(answer) == callback:
            error = _error_in(answer)
            return Outcome(None if error in _NO_LOGIN or not error else error, answer.status)
    # Without a way back, the answers to a redirect URI that nobody registered show which of them is a refusal.
    unregistered = f"{settings.public_url}/{secrets.token_hex(8)}"
    others = [await ask(unregistered, further) for further in (silent, parameters)]
    if any(_is_accepted(one, other) for one, other in zip(ours, others, strict=True)):
        return Outcome(None)
    refused = [answer for answer in ours if _is_refusal(answer)]
    if not refused:
        return Outcome(None, is_clear=False)
    return Outcome(refused[0].error or _error_in(refused[0]), refused[0].status, is_shown_there=True)


def _is_accepted(ours: Answer, other: Answer) -> bool:
    if _is_refusal(ours) or (ours.status, _page(ours)) == (other.status, _page(other)):
        return False
    return ours.status < 400 or _is_refusal(other)


def _is_refusal(answer: Answer) -> bool:
    # Some providers redirect to an error page of their own.
    return 400 <= answer.status < 500 or (answer.status < 400 and _error_in(answer) != "")


def _error_in(answer: Answer) -> str:
    """Return the error code in the address that a response redirects to, or ""."""
    return parse_qs(urlsplit(answer.headers.get("Location", "")).query).get("error", [""])[0]


async def redeem_made_up_code(provider: IdentityProvider, instance: Instance, settings: Settings) -> Outcome:
    """Return how the provider answers a code grant with a made-up code; None as its error: it accepts the code."""
    try:
        await provider.grants.redeem_code(
            instance.credentials,
            code=f"made-up-{secrets.token_urlsafe(24)}",
            redirect_uri=callback_url(settings),
            verifier=secrets.token_urlsafe(32),
        )
    except ProviderRefused as error:
        return Outcome(error.error, error.status)
    return Outcome(None)


async def proves_client(provider: IdentityProvider, instance: Instance, settings: Settings, answer: Outcome) -> bool:
    """Return whether *answer*, to a made-up code, shows that the provider accepts the client."""
    if answer.error in {None, "invalid_client"} or (answer.status == 401 and not answer.error):
        return False
    if settings.client_key is not None:
        return answer.error == "invalid_grant"
    stranger = replace(instance, client_secret=f"made-up-{secrets.token_urlsafe(24)}")
    return await redeem_made_up_code(provider, stranger, settings) != answer


def refuses_client(outcome: Outcome) -> bool:
    """Return whether the provider refused the client rather than the grant."""
    return outcome.error == "invalid_client" or (outcome.status == 401 and outcome.error != "invalid_grant")


def may_refuse_client(outcome: Outcome) -> bool:
    """Return whether the provider may have refused the client, as far as its answer shows."""
    return refuses_client(outcome) or may_be_unauthenticated(outcome.error or "", outcome.status)


def callback_url(settings: Settings) -> str:
    """Return the redirect URI of this server's logins."""
    return f"{settings.public_url}{CALLBACK_PATH}"


def _page(answer: Answer) -> str:
    """Return the address that a response redirects to, without query and fragment, or ""."""
    return answer.headers.get("Location", "").partition("?")[0].partition("#")[0]
