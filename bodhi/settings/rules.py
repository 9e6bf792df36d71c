"""Rules between settings that are valid by themselves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bodhi.urls import is_loopback, is_memory, is_postgres


@dataclass(frozen=True)
class Rule:
    """A condition on the values of some settings, and the message of its violation.

    The first of *attributes* is named as faulty; in *message*, ``{0}`` is its value, and ``{1}`` the second setting
    with its value and source.
    """

    attributes: tuple[str, ...]
    holds: Callable[..., bool]
    message: str

    def is_broken(self, values: Mapping[str, Any]) -> bool:
        """Return whether the values violate the rule; False if one of them is missing because it was refused."""
        if not all(attribute in values for attribute in self.attributes):
            return False
        return not self.holds(*(values[attribute] for attribute in self.attributes))


FAULTS = (
    Rule(
        ("session_db_url", "deployment"),
        lambda url, deployment: deployment != "cluster" or is_postgres(url),
        "{0} is not PostgreSQL, which {1} requires; allowed: postgres://… or postgresql://…",
    ),
    Rule(
        ("encryption_keys", "deployment"),
        lambda keys, deployment: deployment != "cluster" or bool(keys),
        "is not set, but {1} requires it, so that all nodes have the same keys",
    ),
    Rule(("touch_seconds", "idle_seconds"), lambda touch, idle: touch < idle, "{0} must be less than {1}"),
    Rule(("idle_seconds", "lifetime_seconds"), lambda idle, life: idle <= life, "{0} must not be more than {1}"),
    *(
        Rule(
            (attribute, "workers"),
            lambda url, workers: workers == 1 or not is_memory(url),
            "{0} exists in the memory of one process only, but {1}",
        )
        for attribute in ("session_db_url", "database_url")
    ),
    Rule(
        ("client_id", "client_secret", "client_key"),
        lambda client_id, secret, key: client_id is None or secret is not None or key is not None,
        "{0} requires a secret or a key, but {1}, {2}",
    ),
    Rule(
        ("client_key", "client_id"),
        lambda key, client_id: key is None or client_id is not None,
        "{0} requires a client, but {1}",
    ),
    Rule(
        ("auth_client_authentication", "client_key"),
        lambda method, key: method != "private_key_jwt" or key is not None,
        "{0} requires a key, but {1}",
    ),
    Rule(
        ("auth_client_authentication", "client_id", "client_secret"),
        lambda method, client_id, secret: method not in {"basic", "post"} or client_id is None or secret is not None,
        "{0} requires a secret for {1}, but {2}",
    ),
    Rule(
        ("auth_metadata_url", "auth_issuer"),
        lambda url, issuer: url is None or issuer is not None,
        "{0} requires the issuer, but {1}",
    ),
    Rule(
        ("client_id", "auth_issuer"),
        lambda client_id, issuer: client_id is None or issuer is not None,
        "{0} requires an identity provider, but {1}",
    ),
    Rule(
        ("dev", "env_type"),
        lambda dev, env_type: not dev or env_type != "production",
        "{0} starts a provider that lets anybody sign in, but {1}",
    ),
    Rule(
        ("dev", "host"),
        lambda dev, host: not dev or is_loopback(host),
        "{0} starts a provider that lets anybody sign in, so it must be reachable from this machine only, but {1}",
    ),
    Rule(
        ("verify_access_token", "trusted_proxies"),
        lambda enabled, proxies: not enabled or bool(proxies),
        "{0} requires trusted proxies, but {1}",
    ),
    Rule(
        ("sso_hosts", "public_host"),
        lambda hosts, public: not hosts or public.lower() not in {"localhost", "127.0.0.1", "::1", *hosts},
        "{0} requires another public host, which browsers reach, for the login, but {1}",
    ),
    Rule(("dev", "workers"), lambda dev, workers: not dev or workers == 1, "{0} requires a single process, but {1}"),
)

WARNINGS = (
    Rule(
        ("database_url", "deployment"),
        lambda url, deployment: deployment != "cluster" or is_postgres(url),
        "{0} is not PostgreSQL: with {1} each node would have a database of its own",
    ),
)
