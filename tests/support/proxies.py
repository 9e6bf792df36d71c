"""The real nginx and the real Caddy, each in front of bodhi and of another application that it protects."""

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from support.ports import free_port
from support.supervisor import Supervisor

_PATH = "/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"

# As in docs/how-to/protect-other-applications.md, with folders for whoever runs the tests.
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
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    server {{
        listen 127.0.0.1:{port};
        location /bodhi/ {{ proxy_pass http://127.0.0.1:{bodhi}; }}
        location /ui/ {{ proxy_pass http://127.0.0.1:{bodhi}; }}
        location / {{
            auth_request /verify;
            auth_request_set $user_id $upstream_http_x_bodhiapp_user_id;
            auth_request_set $username $upstream_http_x_bodhiapp_username;
            auth_request_set $role $upstream_http_x_bodhiapp_role;
            auth_request_set $login $upstream_http_location;
            error_page 401 = @login;
            proxy_set_header Host $http_host;
            proxy_set_header X-BodhiApp-User-Id $user_id;
            proxy_set_header X-BodhiApp-Username $username;
            proxy_set_header X-BodhiApp-Role $role;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_pass http://127.0.0.1:{application};
        }}
        location /managers/ {{
            auth_request /verify-managers;
            proxy_pass http://127.0.0.1:{application};
        }}
        location = /verify {{
            internal;
            proxy_pass http://127.0.0.1:{bodhi}/bodhi/v1/auth/verify;
            include {folder}/verify.conf;
        }}
        location = /verify-managers {{
            internal;
            proxy_pass http://127.0.0.1:{bodhi}/bodhi/v1/auth/verify?role=resource_manager;
            include {folder}/verify.conf;
        }}
        location @login {{ return 302 $login; }}
    }}
}}
"""
_NGINX_VERIFY = """
proxy_pass_request_body off;
proxy_set_header Content-Length "";
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Host $http_host;
proxy_set_header X-Original-Method $request_method;
proxy_set_header X-Original-URI $request_uri;
proxy_set_header X-Forwarded-Method "";
proxy_set_header X-Forwarded-Uri "";
"""
_CADDY = """
{{
    admin off
    auto_https off
}}
http://127.0.0.1:{port} {{
    bind 127.0.0.1
    @bodhi path /bodhi/* /ui/*
    @managers path /managers/*
    handle @bodhi {{
        reverse_proxy 127.0.0.1:{bodhi}
    }}
    handle {{
        route {{
            request_header -X-BodhiApp*
            request_header -X_BodhiApp*
            request_header -X-Original-Method
            request_header -X-Original-URI
            forward_auth @managers 127.0.0.1:{bodhi} {{
                uri /bodhi/v1/auth/verify?redirect=true&role=resource_manager
                copy_headers X-BodhiApp-User-Id X-BodhiApp-Username X-BodhiApp-Role
            }}
            forward_auth 127.0.0.1:{bodhi} {{
                uri /bodhi/v1/auth/verify?redirect=true
                copy_headers X-BodhiApp-User-Id X-BodhiApp-Username X-BodhiApp-Role
            }}
            reverse_proxy 127.0.0.1:{application}
        }}
    }}
}}
"""


@contextmanager
def nginx(*, bodhi: int, application: int) -> Iterator[str]:
    """The URL of an nginx in front of *bodhi* and of the *application*, both on those ports."""
    supervisor, port = Supervisor("nginx"), free_port()
    try:
        supervisor.write("verify.conf", _NGINX_VERIFY)
        text = _NGINX.format(folder=supervisor.folder, port=port, bodhi=bodhi, application=application)
        configuration = supervisor.write("nginx.conf", text)
        supervisor.start(
            _program("nginx", "nginx-light"), "-e", "stderr", "-p", str(supervisor.folder), "-c", configuration
        )
        _wait_for(port, supervisor)
        yield f"http://127.0.0.1:{port}"
    finally:
        supervisor.close()


@contextmanager
def caddy(*, bodhi: int, application: int) -> Iterator[str]:
    """The same with Caddy."""
    supervisor, port = Supervisor("caddy"), free_port()
    try:
        text = _CADDY.format(port=port, bodhi=bodhi, application=application)
        configuration = supervisor.write("Caddyfile", text)
        supervisor.start(_program("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", configuration)
        _wait_for(port, supervisor)
        yield f"http://127.0.0.1:{port}"
    finally:
        supervisor.close()


def _program(name: str, package: str) -> str:
    program = shutil.which(name, path=_PATH)
    if program is None:
        raise FileNotFoundError(f"{name} is not installed: apt-get install {package}")
    return program


def _wait_for(port: int, supervisor: Supervisor, *, timeout_seconds: float = 10) -> None:
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
