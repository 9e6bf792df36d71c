"""The real nginx, Caddy and Traefik, each in front of bodhi and of another application that it protects.

Their configurations are those of the how-to page, word for word but for addresses, and TLS that nobody needs here.
"""

import re
import shutil
import socket
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from support.ports import free_port
from support.supervisor import Supervisor, is_open_to_all, unprivileged_user

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/protect-other-applications.md"

_PATH = "/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# With folders for whoever runs the tests.
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
_CADDY = "{ \n admin off \n auto_https off \n }\n"

Start = Callable[..., AbstractContextManager[str]]


@contextmanager
def nginx(*, bodhi: int, application: int, gives_tokens: bool = False) -> Iterator[str]:
    """The URL of an nginx in front of *bodhi* and of the *application*, both on those ports."""
    with _proxy("nginx") as (supervisor, port):
        site, protected = _blocks("nginx", bodhi, application)
        changes = {"443 ssl": f"127.0.0.1:{port}", "server_name example.com": "server_name 127.0.0.1"}
        supervisor.write("site.conf", _with(site, {**dict.fromkeys(_CERTIFICATE, ""), **changes}))
        supervisor.write("bodhi-protected.conf", protected)
        configuration = supervisor.write("nginx.conf", _NGINX.format(folder=supervisor.folder))
        program = _program("nginx", "apt-get install nginx-light")
        supervisor.start(program, "-e", "stderr", "-p", str(supervisor.folder), "-c", configuration)
        _wait_for(port, supervisor)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def caddy(*, bodhi: int, application: int, gives_tokens: bool = False) -> Iterator[str]:
    """The same with Caddy."""
    with _proxy("caddy") as (supervisor, port):
        (site,) = _blocks("caddyfile", bodhi, application)
        site = _with(site, {"example.com {": f"http://127.0.0.1:{port} {{\n bind 127.0.0.1"})
        if gives_tokens:
            site = _with(site, {"X-BodhiApp-Username X-BodhiApp-Role": "{0} X-BodhiApp-Access-Token"})
        configuration = supervisor.write("Caddyfile", _CADDY + site)
        program = _program("caddy", "apt-get install caddy")
        supervisor.start(program, "run", "--adapter", "caddyfile", "--config", configuration)
        _wait_for(port, supervisor)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def traefik(*, bodhi: int, application: int, gives_tokens: bool = False) -> Iterator[str]:
    """The same with Traefik."""
    with _proxy("traefik") as (supervisor, port):
        start, routes = _blocks("yaml", bodhi, application)
        routes = _with(routes, {"      tls: {}\n": "", "Host(`example.com`)": "Host(`127.0.0.1`)"})
        place = supervisor.write("bodhi.yml", routes)
        start = _with(start, {'":443"': f'"127.0.0.1:{port}"', "/etc/traefik/bodhi.yml": str(place)})
        configuration = supervisor.write("traefik.yml", start)
        program = _reachable(supervisor, _program("traefik", "pip install '.[proxies]'"))
        supervisor.start(program, f"--configFile={configuration}")
        _wait_for(port, supervisor)
        _wait_for_routes(port)
        yield f"http://127.0.0.1:{port}"


PROXIES: dict[str, Start] = {"nginx": nginx, "caddy": caddy, "traefik": traefik}


@contextmanager
def _proxy(name: str) -> Iterator[tuple[Supervisor, int]]:
    supervisor = Supervisor(name)
    try:
        yield supervisor, free_port()
    finally:
        supervisor.close()


def _blocks(language: str, bodhi: int, application: int) -> list[str]:
    """What the page holds in a language, with the ports of here."""
    ports = {"127.0.0.1:1135": f"127.0.0.1:{bodhi}", "127.0.0.1:8000": f"127.0.0.1:{application}"}
    texts = [text for name, text in _BLOCK.findall(PAGE.read_text("utf-8")) if name == language]
    for page, here in ports.items():
        texts = [text.replace(page, here) for text in texts]
    return texts


def _with(text: str, changes: dict[str, str]) -> str:
    """*text* with *changes*, each of which there has to be a place for; ``{0}`` stands for what was there."""
    for old, new in changes.items():
        assert old in text, f"{PAGE} has no {old}"
        text = text.replace(old, new.replace("{0}", old))
    return text


def _program(name: str, advice: str) -> str:
    program = shutil.which(name, path=f"{sysconfig.get_path('scripts')}:{_PATH}")
    if program is None:
        raise FileNotFoundError(f"{name} is not installed: {advice}")
    return program


def _reachable(supervisor: Supervisor, program: str) -> str:
    """The program, or a copy of it where the process's user may not enter its folder."""
    if unprivileged_user() is None or is_open_to_all(Path(program).resolve().parent):
        return program
    copy = supervisor.folder / Path(program).name
    shutil.copy(program, copy)
    supervisor.own(copy)
    return str(copy)


def _wait_for(port: int, supervisor: Supervisor, *, timeout_seconds: float = 20) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if not supervisor.is_alive or time.monotonic() > deadline:
                raise RuntimeError(f"the proxy did not start; its log says:\n{supervisor.log}") from None
            time.sleep(0.01)
        else:
            return


def _wait_for_routes(port: int, *, timeout_seconds: float = 20) -> None:
    """Traefik listens before it knows where to, and answers 404 for so long."""
    deadline = time.monotonic() + timeout_seconds
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
    with closing(connection):
        while _status(connection) == 404:
            if time.monotonic() > deadline:
                raise RuntimeError("the proxy knows no routes")
            time.sleep(0.05)


def _status(connection: HTTPConnection) -> int:
    connection.request("GET", "/")
    with connection.getresponse() as response:
        response.read()
        return response.status
