"""Run nginx, Caddy and Traefik in front of bodhi and of a protected application.

Their configurations are those of the how-to page, word for word but for addresses, and TLS that nobody needs here.
"""

import re
import shutil
import sysconfig
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType

from support.ports import free_port
from support.supervisor import Supervisor, is_open_to_all, unprivileged_user

_HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to"
PAGE = _HOW_TO / "protect-other-applications.md"
RESTART_PAGE = _HOW_TO / "restart-without-loss.md"
DEPLOY_PAGE = _HOW_TO / "deploy.md"

_PATH = "/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_PORT = re.compile(r"127\.0\.0\.1:(1135|8000|8001)")

# With folders writable by the user of the tests.
_NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include site.conf;
}}
"""
_CERTIFICATE = (
    "    ssl_certificate     /etc/ssl/certs/example.com.pem;\n",
    "    ssl_certificate_key /etc/ssl/private/example.com.key;\n",
)
_TOKEN_FOR_CADDY = {
    "copy_headers ": "copy_headers X-BodhiApp-Access-Token ",
    "header_up X-BodhiApp-User-Id": (
        "header_up X-BodhiApp-Access-Token {http.request.header.X-BodhiApp-Access-Token}\nheader_up X-BodhiApp-User-Id"
    ),
}
_CLAIM_FOR_CADDY = {old: new.replace("Access-Token", "Department") for old, new in _TOKEN_FOR_CADDY.items()}
_CADDY = "{ \n admin off \n auto_https off \n }\n"

# Options of the how-to page in addition to the plain configuration.
RULES_BY_PATH, STATIC_FILES, FURTHER_CLAIM = "rules by path", "static files", "further claim"

Start = Callable[..., AbstractContextManager[str]]


@contextmanager
def nginx(
    *,
    bodhi: int,
    application: int,
    static: int = 0,
    additions: Collection[str] = (),
    gives_tokens: bool = False,
    changes: Mapping[str, str] = MappingProxyType({}),
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[str]:
    """Run nginx in front of *bodhi*, the *application* and the *static* files on these ports; return its URL.

    It listens on *port*, or on a free one. *changes* are made to the page's configuration.
    """
    port = port or free_port()
    with _proxy("nginx") as supervisor:
        page = _blocks("nginx", bodhi, application, static, changes)
        server = page["bodhi-paths.conf"] * (RULES_BY_PATH in additions)
        server += page["bodhi-static.conf"] * (STATIC_FILES in additions)
        site = page["bodhi.conf"].removesuffix("}\n") + server + "}\n" + page["bodhi-paths-map.conf"] * bool(additions)
        here = {"443 ssl": f"127.0.0.1:{port}", "server_name example.com": f"server_name {host}"}
        supervisor.write("site.conf", _with(site, {**dict.fromkeys(_CERTIFICATE, ""), **here}))
        further = page["bodhi-department.conf"] * (FURTHER_CLAIM in additions)
        supervisor.write("bodhi-protected.conf", page["bodhi-protected.conf"] + further)
        _start_nginx(supervisor, port)
        yield f"http://{host}:{port}"


@contextmanager
def nginx_for_bodhi_alone(*, bodhi: int, port: int = 0, certificate: Path | None = None) -> Iterator[str]:
    """Run nginx with the configuration of the deployment page, with TLS if there is a *certificate*; return its URL."""
    port = port or free_port()
    with _proxy("nginx") as supervisor:
        (block,) = [text for name, text in _BLOCK.findall(DEPLOY_PAGE.read_text("utf-8")) if name == "nginx"]
        block = block.replace("127.0.0.1:1135", f"127.0.0.1:{bodhi}")
        tls = ""
        if certificate is not None:
            file = supervisor.write("certificate.pem", certificate.read_text("ascii"))
            tls = f"ssl; ssl_certificate {file}; ssl_certificate_key {file}"
        supervisor.write("site.conf", f"server {{ listen 127.0.0.1:{port} {tls}; {block} }}")
        _start_nginx(supervisor, port)
        yield f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"


@contextmanager
def caddy(
    *,
    bodhi: int,
    application: int,
    static: int = 0,
    additions: Collection[str] = (),
    gives_tokens: bool = False,
    changes: Mapping[str, str] = MappingProxyType({}),
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[str]:
    """The same as :func:`nginx` with Caddy."""
    port = port or free_port()
    with _proxy("caddy") as supervisor:
        page = _blocks("caddyfile", bodhi, application, static, changes)
        added = page["paths"] * (RULES_BY_PATH in additions) + page["static"] * (STATIC_FILES in additions)
        site = _with(page["Caddyfile"], {"example.com {": f"http://{host}:{port} {{\n bind 127.0.0.1\n{added}"})
        if gives_tokens:
            site = _with(site, _TOKEN_FOR_CADDY)
        if FURTHER_CLAIM in additions:
            site = _with(site, _CLAIM_FOR_CADDY)
        configuration = supervisor.write("Caddyfile", _CADDY + site)
        program = _program("caddy", "apt-get install caddy")
        supervisor.start(program, "run", "--adapter", "caddyfile", "--config", configuration)
        _wait_for(port, supervisor)
        yield f"http://{host}:{port}"


@contextmanager
def traefik(
    *,
    bodhi: int,
    application: int,
    static: int = 0,
    additions: Collection[str] = (),
    gives_tokens: bool = False,
    changes: Mapping[str, str] = MappingProxyType({}),
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[str]:
    """The same as :func:`nginx` with Traefik."""
    port = port or free_port()
    with _proxy("traefik") as supervisor:
        page = _blocks("yaml", bodhi, application, static, changes)
        start = page["traefik.yml with rules by path" if RULES_BY_PATH in additions else "traefik.yml"]
        routes = ["bodhi.yml"]
        routes += ["paths.yml"] * (RULES_BY_PATH in additions) + ["static.yml"] * (STATIC_FILES in additions)
        folder = supervisor.folder / "dynamic"
        folder.mkdir()
        supervisor.own(folder)
        for name in routes:
            here = {"      tls: {}\n": "", "Host(`example.com`)": f"Host(`{host}`)"}
            supervisor.write(f"dynamic/{name}", _with(page[name], here))
        start = _with(start, {'":443"': f'"127.0.0.1:{port}"', "/etc/traefik/dynamic": str(folder)})
        configuration = supervisor.write("traefik.yml", start)
        program = _reachable(supervisor, _program("traefik", "pip install '.[proxies]'"))
        supervisor.start(program, f"--configFile={configuration}")
        _wait_for(port, supervisor)
        _wait_for_routes(host, port)
        yield f"http://{host}:{port}"


@contextmanager
def balanced(kind: str, *, nodes: Sequence[int], port: int = 0) -> Iterator[str]:
    """The URL of a load balancer in front of two nodes, as the page about restarts has it."""
    port = port or free_port()
    with _proxy(kind) as supervisor:
        language = {"caddy": "caddyfile"}.get(kind, kind)
        (block,) = [text for name, text in _BLOCK.findall(RESTART_PAGE.read_text("utf-8")) if name == language]
        changes = {f"127.0.0.1:{given}": f"127.0.0.1:{node}" for given, node in zip((1135, 1136), nodes, strict=True)}
        if kind == "nginx":
            supervisor.write("site.conf", _with(block, {**changes, "443 ssl": f"127.0.0.1:{port}"}))
            _start_nginx(supervisor, port)
        elif kind == "caddy":
            changes["example.com {"] = f"http://127.0.0.1:{port} {{\n bind 127.0.0.1"
            configuration = supervisor.write("Caddyfile", _CADDY + _with(block, changes))
            program = _program("caddy", "apt-get install caddy")
            supervisor.start(program, "run", "--adapter", "caddyfile", "--config", configuration)
        else:
            configuration = supervisor.write(
                "haproxy.cfg", _with(block, {**changes, "bind :443": f"bind 127.0.0.1:{port}"})
            )
            supervisor.start(_program("haproxy", "apt-get install haproxy"), "-db", "-f", configuration)
        _wait_for(port, supervisor)
        yield f"http://127.0.0.1:{port}"


PROXIES: dict[str, Start] = {"nginx": nginx, "caddy": caddy, "traefik": traefik}


@contextmanager
def _proxy(name: str) -> Iterator[Supervisor]:
    supervisor = Supervisor(name)
    try:
        yield supervisor
    finally:
        supervisor.close()


def _start_nginx(supervisor: Supervisor, port: int) -> None:
    configuration = supervisor.write("nginx.conf", _NGINX.format(folder=supervisor.folder))
    program = _program("nginx", "apt-get install nginx-light")
    supervisor.start(program, "-e", "stderr", "-p", str(supervisor.folder), "-c", configuration)
    _wait_for(port, supervisor)


def _blocks(language: str, bodhi: int, application: int, static: int, changes: Mapping[str, str]) -> dict[str, str]:
    """Return the page's code blocks in a language, with our ports, by the file named in their first line."""
    ports = {"1135": bodhi, "8000": application, "8001": static}
    texts = [text for name, text in _BLOCK.findall(_with(PAGE.read_text("utf-8"), changes)) if name == language]
    return {_file_of(text): _PORT.sub(lambda port: f"127.0.0.1:{ports[port[1]]}", text) for text in texts}


def _file_of(block: str) -> str:
    comment = block.partition("\n")[0]
    return comment.removeprefix("# ").partition(",")[0].rpartition("/")[2]


def _with(text: str, changes: Mapping[str, str]) -> str:
    """Return *text* with *changes*, each of which must match."""
    for old, new in changes.items():
        assert old in text, f"{PAGE} has no {old}"
        text = text.replace(old, new)
    return text


def _program(name: str, advice: str) -> str:
    program = shutil.which(name, path=f"{sysconfig.get_path('scripts')}:{_PATH}")
    if program is None:
        raise FileNotFoundError(f"{name} is not installed: {advice}")
    return program


def _reachable(supervisor: Supervisor, program: str) -> str:
    """Return the program, or a copy if the process's user cannot access its folder."""
    if unprivileged_user() is None or is_open_to_all(Path(program).resolve().parent):
        return program
    copy = supervisor.folder / Path(program).name
    shutil.copy(program, copy)
    supervisor.own(copy)
    return str(copy)


def _wait_for(port: int, supervisor: Supervisor, *, timeout_seconds: float = 300) -> None:
    """Wait until the proxy itself listens: another process on the port would accept connections too."""
    deadline = time.monotonic() + timeout_seconds
    while not supervisor.listens_on(port):
        if not supervisor.is_alive or time.monotonic() > deadline:
            raise RuntimeError(f"the proxy did not start; its log says:\n{supervisor.log}")
        time.sleep(0.01)


def _wait_for_routes(host: str, port: int, *, timeout_seconds: float = 300) -> None:
    """Wait until Traefik has its routes: it listens earlier and answers 404."""
    deadline = time.monotonic() + timeout_seconds
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
    with closing(connection):
        while _status(connection, host) == 404:
            if time.monotonic() > deadline:
                raise RuntimeError("the proxy knows no routes")
            time.sleep(0.05)


def _status(connection: HTTPConnection, host: str) -> int:
    connection.request("GET", "/", headers={"Host": host})
    with connection.getresponse() as response:
        response.read()
        return response.status
