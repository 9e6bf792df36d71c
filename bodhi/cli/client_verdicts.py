"""What the provider's answers to the requests of ``bodhi doctor`` show about this server's client."""

from bodhi.cli.client_probes import Outcome, callback_url, refuses_client
from bodhi.cli.findings import Finding
from bodhi.cli.findings import provider_finding as finding
from bodhi.server.access.instance import Instance
from bodhi.settings import Settings

PUBLIC_URL = "BODHI_PUBLIC_SCHEME, BODHI_PUBLIC_HOST, BODHI_PUBLIC_PORT"
KNOWN_ID = "set the client id as it is registered at the provider"
SIGN_IN = "sign in once and read the log"
ALLOW_FLOW = "allow the authorization code flow for this client at the provider"
OPEN_IT = "sign in with a browser: the provider shows what is wrong, if anything"


def about_client(
    settings: Settings, instance: Instance, shown: Outcome, redeemed: Outcome, *, is_proven: bool
) -> Finding:
    """Return what the answer to a made-up code shows, with whether it proves that the client is accepted."""
    client, secret = instance.client_id, _secret(settings)
    both = f"BODHI_CLIENT_ID, {secret}"
    code = redeemed.error or f"status {redeemed.status}"
    if redeemed.error is None:
        message = f"the provider accepts a made-up code of the client {client}: its answer proves nothing"
        return finding("BODHI_CLIENT_ID", "warning", message, SIGN_IN)
    if redeemed.error == "unsupported_grant_type" or (redeemed.error == "unauthorized_client" and is_proven):
        message = f"the provider answers a code grant of the client {client} with {code}"
        return finding("BODHI_CLIENT_ID", "fault", message, ALLOW_FLOW)
    if is_proven:
        return finding(both, "ok", f"the provider accepts the client {client}")
    if refuses_client(redeemed) or redeemed.error == "unauthorized_client":
        return _about_refusal(settings, instance, shown, redeemed)
    if settings.client_key is not None:
        message = f"the provider answers a code grant of the client {client} with {code}, which proves nothing"
    else:
        message = f"the provider answers {code} to any secret: that of the client {client} cannot be checked"
    return finding(both, "warning", message, SIGN_IN)


def _about_refusal(settings: Settings, instance: Instance, shown: Outcome, redeemed: Outcome) -> Finding:
    client, secret = instance.client_id, _secret(settings)
    code = redeemed.error or f"status {redeemed.status}"
    if not refuses_client(redeemed):
        causes = "id, secret or method are wrong, or the client may not use the code flow"
        message = f"the provider answers a code grant of the client {client} with {code}: {causes}"
        names = f"BODHI_CLIENT_ID, {secret}, BODHI_AUTH_CLIENT_AUTHENTICATION"
        advice = "set them as they are at the provider, and allow the authorization code flow for this client there"
        return finding(names, "fault", message, advice)
    if shown.error is not None and shown.is_clear:
        message = f"the provider does not know the client {client} ({code}; it refuses the authorization request, too)"
        return finding("BODHI_CLIENT_ID", "fault", message, KNOWN_ID)
    if shown.is_clear:
        message = f"the provider knows the client {client}, but refuses its secret or method ({code})"
        return finding(secret, "fault", message, f"set {secret} as it is at the provider")
    message = f"the provider refuses the client {client} ({code}): id, secret or method are wrong"
    return finding(f"BODHI_CLIENT_ID, {secret}", "fault", message, "set them as they are at the provider")


def _secret(settings: Settings) -> str:
    return "BODHI_CLIENT_KEY" if settings.client_key is not None else "BODHI_CLIENT_SECRET"


def about_redirect(settings: Settings, instance: Instance, shown: Outcome) -> Finding:
    """Return what the answer to an authorization request shows."""
    callback = callback_url(settings)
    if not shown.is_clear:
        message = f"whether the redirect URI {callback} is registered cannot be checked from here"
        return finding(PUBLIC_URL, "warning", message, OPEN_IT)
    if shown.error is None:
        return finding(PUBLIC_URL, "ok", f"the redirect URI {callback} is registered")
    if shown.error == "invalid_scope":
        message = "the provider answers the authorization request with invalid_scope"
        return finding("BODHI_AUTH_SCOPES", "fault", message, "request scopes that the client may have")
    if shown.is_shown_there:
        reason = ascii(shown.error[:64]) if shown.error else f"status {shown.status}"
        message = f"the provider refuses the authorization request with {reason}"
        if shown.error == "invalid_client":
            return finding("BODHI_CLIENT_ID", "fault", message, KNOWN_ID)
        advice = f"register {callback} as a redirect URI of the client {instance.client_id}"
        return finding(PUBLIC_URL, "fault", message, advice)
    is_forbidden = shown.error in {"unauthorized_client", "unsupported_response_type"}
    message = f"the provider answers the authorization request with {shown.error[:64]!a}"
    return finding("BODHI_CLIENT_ID", "fault" if is_forbidden else "warning", message, OPEN_IT)


def wrong_method(settings: Settings) -> Finding:
    """Return the finding about a method that is refused while the other one is accepted."""
    message = f"is {settings.auth_client_authentication}, which the provider refuses for this client; the other works"
    return finding("BODHI_AUTH_CLIENT_AUTHENTICATION", "fault", message, "set it to auto")
