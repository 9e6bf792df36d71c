"""Settings of the process, its sockets and its log."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from bodhi.settings import address_kinds, kinds, names
from bodhi.settings.setting import Derived, Setting, Source

WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on


def _public_host(values: Mapping[str, Any]) -> str:
    return "localhost" if values["host"] in WILDCARDS else str(values["host"])


def _public_port(values: Mapping[str, Any]) -> int:
    # bodhi does not terminate TLS: with https, a proxy in front listens on the public port.
    return 443 if values["public_scheme"] == "https" else int(values["port"])


@dataclass(frozen=True, repr=False)
class ServerSettings:
    """Server: the process, its sockets and its log."""

    home: Annotated[
        Path,
        Setting(
            names.BODHI_HOME,
            kinds.folder(),
            "~/.bodhi",
            "Folder of the SQLite files, the key file and settings.yaml; created with mode 0700 on first use. "
            "A relative path starts at the working directory.",
            refused_in={Source.YAML: "it locates that file"},
        ),
    ]
    deployment: Annotated[
        str,
        Setting(
            names.BODHI_DEPLOYMENT,
            kinds.choice("standalone", "cluster"),
            "standalone",
            "Kind of deployment. standalone: one node. cluster: several nodes that share a PostgreSQL session "
            "database; requires an encryption key.",
        ),
    ]
    env_type: Annotated[
        str,
        Setting(
            names.BODHI_ENV_TYPE,
            kinds.choice("production", "development"),
            Derived(
                "development when BODHI_DEV is true, else production",
                lambda values: "development" if values["dev"] else "production",
            ),
            "Type of environment. production refuses BODHI_DEV; neither value disables a protection.",
        ),
    ]
    commit_sha: Annotated[
        str,
        Setting(
            names.BODHI_COMMIT_SHA,
            kinds.pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "1 to 64 letters, digits and any of . _ -"),
            "unknown",
            "Commit of this build, as reported by /bodhi/v1/info.",
        ),
    ]

    host: Annotated[
        str,
        Setting(
            names.BODHI_HOST,
            address_kinds.host(),
            "localhost",
            "Address to listen on: localhost for this machine only, 0.0.0.0 for all IPv4 addresses, :: for all.",
        ),
    ]
    port: Annotated[
        int, Setting(names.BODHI_PORT, kinds.whole_number(0, 65_535), "1135", "Port to listen on; 0 is any free port.")
    ]
    public_scheme: Annotated[
        str,
        Setting(
            names.BODHI_PUBLIC_SCHEME,
            kinds.choice("http", "https"),
            "http",
            "Scheme of the public URL. https makes the session cookie Secure.",
        ),
    ]
    public_host: Annotated[
        str,
        Setting(
            names.BODHI_PUBLIC_HOST,
            address_kinds.host(),
            Derived("BODHI_HOST, or localhost when that is every address", _public_host),
            "Host of the public URL, as browsers see it.",
        ),
    ]
    public_port: Annotated[
        int,
        Setting(
            names.BODHI_PUBLIC_PORT,
            kinds.whole_number(1, 65_535),
            Derived("443 when BODHI_PUBLIC_SCHEME is https, else BODHI_PORT", _public_port),
            "Port of the public URL, as browsers see it. Without it and BODHI_PUBLIC_HOST, a login returns to the port "
            "that the browser used.",
        ),
    ]
    workers: Annotated[
        int, Setting(names.BODHI_WORKERS, kinds.whole_number(1, 256), "1", "Number of worker processes.")
    ]
    event_loop: Annotated[
        str,
        Setting(
            names.BODHI_EVENT_LOOP,
            kinds.choice("auto", "asyncio"),
            "auto",
            "Event loop of `serve`. auto: uvloop if installed, else asyncio. asyncio: Python's own.",
        ),
    ]
    max_connections: Annotated[
        int,
        Setting(
            names.BODHI_MAX_CONNECTIONS,
            kinds.whole_number(16, 1_000_000),
            "8192",
            "Maximum number of open connections per process, reduced if the hard limit of open files is lower. "
            "At the limit, connections without a complete request are closed to accept others.",
        ),
    ]
    request_head_timeout_seconds: Annotated[
        float,
        Setting(
            names.BODHI_REQUEST_HEAD_TIMEOUT,
            kinds.fine_seconds(0.1, 3_600),
            "20s",
            "Time limit for the request line and headers, counted from the opening of the connection or the first "
            "byte of a later request. Then the connection is closed.",
        ),
    ]
    request_body_timeout_seconds: Annotated[
        float,
        Setting(
            names.BODHI_REQUEST_BODY_TIMEOUT,
            kinds.fine_seconds(0.1, 3_600),
            "1m",
            "Time limit for the request body, counted from the end of the headers. Then the connection is closed.",
        ),
    ]
    shutdown_delay_seconds: Annotated[
        float,
        Setting(
            names.BODHI_SHUTDOWN_DELAY,
            kinds.fine_seconds(0, 3_600),
            "0s",
            "How long the server keeps accepting requests after SIGTERM while /health already answers 503, so that "
            "load balancers send new requests elsewhere. BODHI_SHUTDOWN_TIMEOUT begins after it.",
        ),
    ]
    shutdown_timeout_seconds: Annotated[
        float,
        Setting(
            names.BODHI_SHUTDOWN_TIMEOUT,
            kinds.fine_seconds(0.1, 3_600),
            "10s",
            "Time limit for a graceful shutdown, from SIGTERM and BODHI_SHUTDOWN_DELAY to the end of the process.",
        ),
    ]
    log_level: Annotated[
        str,
        Setting(
            names.BODHI_LOG_LEVEL,
            kinds.choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
            "INFO",
            "Minimum severity of log lines.",
        ),
    ]
    log_format: Annotated[
        str,
        Setting(
            names.BODHI_LOG_FORMAT,
            kinds.choice("text", "json"),
            "text",
            "Format of log lines: text, or json with one object per line.",
        ),
    ]
    metrics_host: Annotated[
        str,
        Setting(
            names.BODHI_METRICS_HOST,
            address_kinds.host(),
            "localhost",
            "Address on which /metrics is served. /metrics is unauthenticated: expose it to your monitoring network "
            "only. To scrape it by host name, add the name to BODHI_ALLOWED_HOSTS.",
        ),
    ]
    metrics_port: Annotated[
        int | None,
        Setting(
            names.BODHI_METRICS_PORT,
            kinds.whole_number(0, 65_535),
            None,
            "Port on which /metrics is served for Prometheus, summed over all workers; 0: any free port, named in the "
            "log. Not set: /metrics is not served.",
        ),
    ]
