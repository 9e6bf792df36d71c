"""What deploys bodhi, and what publishes it, agrees with bodhi."""

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bodhi.settings import BY_NAME, load_settings
from bodhi.settings.key_file import new_key
from support.commands import all_commands

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILE = ROOT / "Containerfile"
COMPOSE = ROOT / "deploy" / "compose.yaml"
KUBERNETES = ROOT / "deploy" / "kubernetes" / "bodhi.yaml"
KEY = new_key()
# What the page says to put into the secret.
SECRETS = {
    "BODHI_SESSION_DB_URL": "postgresql://bodhi:password@postgres/bodhi",
    "BODHI_ENCRYPTION_KEY": KEY,
    "BODHI_CLIENT_ID": "bodhi",
    "BODHI_CLIENT_SECRET": "secret",
}


@pytest.mark.parametrize(
    "path",
    [CONTAINERFILE, COMPOSE, KUBERNETES, *(ROOT / "deploy").glob("*.service")],
    ids=lambda path: path.name,
)
def test_every_setting_exists(path: Path) -> None:
    """A name that bodhi does not know is ignored without a word."""
    named = set(re.findall(r"BODHI_[A-Z_]+", path.read_text()))

    assert named
    assert set() == named - BY_NAME.keys()


def test_the_nodes_of_compose_start(tmp_path: Path) -> None:
    """Both have the same valid settings for a cluster, and the time that a node takes to end."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    node, other = (service for name, service in services.items() if name.startswith("node-"))
    environ = {name: re.sub(r"\$\{.*?\}", KEY, value) for name, value in node["environment"].items()}
    settings = load_settings(environ=environ, cwd=tmp_path)

    assert node == other
    assert "cluster" == settings.deployment
    assert (
        int(node["stop_grace_period"].removesuffix("s"))
        > settings.shutdown_delay_seconds + settings.shutdown_timeout_seconds
    )


def test_the_health_check_of_compose_is_that_of_the_image() -> None:
    """It is there for images whose format holds none, and asks where bodhi listens, by the same settings."""
    image = CONTAINERFILE.read_text()
    command = re.search(r"^ +CMD (\[.*\])$", image, re.MULTILINE)
    check = yaml.safe_load(COMPOSE.read_text())["services"]["node-a"]["healthcheck"]

    assert command is not None
    assert json.loads(command[1]) == check["test"][1:]
    assert (
        f"--interval={check['interval']} --timeout={check['timeout']} --start-period={check['start_period']} " in image
    )
    assert ["python", "-m", "bodhi", "health"] == json.loads(command[1])
    assert ("health",) in all_commands()
    assert f"EXPOSE {BY_NAME['BODHI_PORT'].default}\n" in image


def test_images_of_others_name_their_registry() -> None:
    """Podman looks for a short name nowhere unless it is told where."""
    services = yaml.safe_load(COMPOSE.read_text())["services"].values()
    default = re.search(r"^ARG PYTHON=(.*)$", CONTAINERFILE.read_text(), re.MULTILINE)
    others = [service["image"] for service in services if "build" not in service]

    assert default is not None
    assert [] == [name for name in (default[1], *others) if "." not in name.split("/")[0]]


def test_the_user_of_kubernetes_is_that_of_the_image() -> None:
    """Its group too; a pod may write nowhere but to what is mounted."""
    image = CONTAINERFILE.read_text()
    documents = {document["kind"]: document for document in yaml.safe_load_all(KUBERNETES.read_text())}
    pod = documents["Deployment"]["spec"]["template"]["spec"]
    context = pod["securityContext"]

    assert f"--gid {context['runAsGroup']} bodhi" in image
    assert f"useradd --uid {context['runAsUser']} --gid bodhi" in image
    assert f"USER {context['runAsUser']}\n" in image
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    home = re.search(r"BODHI_HOME=(\S+)", image)
    assert home is not None
    assert home[1] in {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}


def test_the_nodes_of_kubernetes_start(tmp_path: Path) -> None:
    """The settings are valid, and a pod has the time that a node takes to end."""
    documents = {document["kind"]: document for document in yaml.safe_load_all(KUBERNETES.read_text())}
    pod: dict[str, Any] = documents["Deployment"]["spec"]["template"]["spec"]
    settings = load_settings(environ={**documents["ConfigMap"]["data"], **SECRETS}, cwd=tmp_path)

    assert "cluster" == settings.deployment
    assert pod["terminationGracePeriodSeconds"] > settings.shutdown_delay_seconds + settings.shutdown_timeout_seconds
    readiness = pod["containers"][0]["readinessProbe"]
    assert settings.shutdown_delay_seconds > readiness["periodSeconds"] * readiness["failureThreshold"]
    assert settings.port == pod["containers"][0]["ports"][0]["containerPort"]


def test_the_unit_is_that_of_the_page() -> None:
    """Who copies the block has what is in deploy/."""
    page = (ROOT / "docs" / "how-to" / "deploy.md").read_text()

    assert re.sub(r"^(?=.)", "    ", (ROOT / "deploy" / "bodhi.service").read_text(), flags=re.MULTILINE) in page


def test_workflows_run_what_the_classifiers_name() -> None:
    """A version is named only where it is tested."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    named = re.findall(r"^Programming Language :: Python :: (3\.\d+)$", config["metadata"]["classifiers"], re.MULTILINE)
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())["jobs"]
    postgres = jobs["postgres"]["strategy"]["matrix"]

    assert set(named) <= set(jobs["sqlite"]["strategy"]["matrix"]["python"])
    assert set(named) <= {*postgres["python"], *(pair["python"] for pair in postgres["include"])}
    assert ["14", "15", "16", "17", "18"] == postgres["postgres"]


def test_workflows_run_tasks_that_exist() -> None:
    """And `.ci/run`, which runs the rest."""
    targets = set(re.findall(r"^([a-z][a-z0-9.-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = "\n".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))

    assert set() == set(re.findall(r"run: make ([a-z0-9.-]+)", commands)) - targets
    assert "run: .ci/run" in commands
