"""An OpenID Connect provider, shaped like Keycloak, without passwords: for development and tests."""

from bodhi.testing.identity_provider.accounts import PEOPLE, Person
from bodhi.testing.identity_provider.clients import Client
from bodhi.testing.identity_provider.controls import Call, Hold
from bodhi.testing.identity_provider.provider import DevelopmentProvider
from bodhi.testing.identity_provider.shape import Shape

__all__ = ["PEOPLE", "Call", "Client", "DevelopmentProvider", "Hold", "Person", "Shape"]
