"""How what an identity provider does not do is told to a client, for all calls that manage people and clients."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bodhi.oidc.errors import ProviderLacks, ProviderRefused, ProviderUnavailable
from bodhi.server.access.errors import Refusal

log = logging.getLogger(__name__)


@contextmanager
def provider_errors(refused: str) -> Iterator[None]:
    """Inside, a provider that refuses is the code *refused*; one that is away, or lacks the call, has another code."""
    try:
        yield
    except ProviderUnavailable as error:
        log.warning("the identity provider does not answer: %s", error)
        raise Refusal("auth_error-idp_unavailable") from error
    except ProviderLacks as error:
        raise Refusal("auth_service_error-not_supported") from error
    except ProviderRefused as error:
        log.warning("%s: %s", refused, error)
        raise Refusal(refused) from error
