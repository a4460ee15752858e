"""What can be proven of the deployment files without the machines that they are for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from sqlalchemy.pool import QueuePool

from config.settings import Settings, load
from connector.bootstrap import Services
from connector.cli.group import COMMANDS
from connector.web import metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
ROLES = ("scheduler", "worker", "web")


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed here")
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they are installed, with an executable that exists here."""
    templates = {f"connector-{role}@.service": "connector-role@.service" for role in ROLES}
    for name, file in {**templates, "connector.service": "connector.service"}.items():
        text = (DEPLOY / "systemd" / file).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("/opt/connector/bin/connector", sys.executable), encoding="utf-8")
    shutil.copy(DEPLOY / "systemd" / "connector.target", tmp_path)
    return tmp_path


@pytest.mark.parametrize("unit", ["connector.service", *(f"connector-{role}@1.service" for role in ROLES)])
def test_systemd_finds_no_fault_with_a_unit(units: Path, unit: str) -> None:
    done = run(needed("systemd-analyze"), "verify", f"./{unit}", folder=units)
    assert (done.returncode, [line for line in done.stderr.splitlines() if line.startswith("connector")]) == (0, [])


@pytest.mark.parametrize("unit", ["connector.service", "connector-worker@1.service"])
def test_a_unit_is_exposed_to_little(units: Path, unit: str) -> None:
    done = run(needed("systemd-analyze"), "security", "--offline=true", f"./{unit}", folder=units)
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    if level is None:
        pytest.skip("this systemd cannot judge a unit offline")
    assert float(level[1]) <= 2.0


@pytest.mark.parametrize("unit", ["connector.service", "connector-role@.service"])
def test_a_unit_gives_the_steps_under_way_time_to_end_and_shows_no_secret(unit: str) -> None:
    lines = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8").splitlines()
    assert "TimeoutStopSec=45" in lines
    assert "KillMode=mixed" in lines
    secrets = [line for line in lines if line.startswith("Environment=")]
    assert secrets
    assert all(re.search(r"_FILE=%d/\w+$", line) for line in secrets)


@pytest.mark.parametrize("unit", ["connector.service", "connector-role@.service"])
def test_a_unit_lets_all_threads_of_a_daemon_have_their_connections(unit: str) -> None:
    lines = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8").splitlines()
    [most] = [int(line.partition("=")[2]) for line in lines if line.startswith("LimitNOFILE=")]
    bells, invoices = 64, 16  # each bell that is answered has invoices in flight at once
    assert most > 4 * bells * (invoices + 1)  # to B2Brouter, to the ERP and its API, to the ledger


# ---------------------------------------------------------------- containers


ADDED = """
[Service]
DynamicUser=no
ReadWritePaths=/srv/invoices /srv/more
LoadCredential=key2:{etc}/key2
Environment=CONNECTOR_ACCOUNTS__SECOND__API_KEY_FILE=%d/key2
Environment=CONNECTOR_ACCOUNTS__THIRD__API_KEY_FILE=/run/credentials/%n/key2
"""


@pytest.mark.parametrize(
    ("unit", "secrets"),
    [
        ("connector.service", ("api_key", "erp_url", "key2")),
        ("connector-scheduler@1.service", ("api_key", "broker_url", "erp_url", "ledger_url", "key2")),
        ("connector.service", ()),
    ],
    ids=["all in one", "by roles", "no secrets yet"],
)
def test_a_command_gets_what_the_service_gets(tmp_path: Path, unit: str, secrets: tuple[str, ...]) -> None:
    """systemd itself is played by scripts: they show the unit, say what they were asked for, and hand over."""
    etc = tmp_path / "etc"
    etc.mkdir()
    for name in secrets:
        (etc / name).write_text("secret", encoding="utf-8")
    played(tmp_path, unit, etc=etc)

    command = ["connector", "retry", "--note", "seen by Ana"]
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)

    said = done.stdout.splitlines()
    as_the_service = {"DynamicUser=no", "StateDirectory=connector", "ReadWritePaths=/srv/invoices /srv/more"}
    assert {"--pty", "--pipe", "--wait", *(f"--property={each}" for each in as_the_service)} <= set(said)
    loaded = [line.removeprefix("--property=LoadCredential=") for line in said if "LoadCredential" in line]
    assert sorted(loaded) == sorted(f"{name}:{etc}/{name}" for name in secrets)
    assert not any(line == "secret" for line in said)
    variables = [line.partition("=") for line in said if re.match("CONNECTOR_.*_FILE=", line)]
    assert "CONNECTOR_TRANSIENT=yes" in said
    assert {name for name, _, _ in variables} >= {"CONNECTOR_ACCOUNTS__MAIN__API_KEY_FILE"}
    assert {Path(file).parent for _, _, file in variables} == {tmp_path / "handed"}
    assert {Path(file).name for _, _, file in variables} >= {*secrets, "key2"}
    assert f"CONNECTOR_ACCOUNTS__THIRD__API_KEY_FILE={tmp_path}/handed/key2" in said
    assert said[-5:] == ["--config", f"{etc}/connector.toml", *command[1:]]


@pytest.mark.parametrize(("option", "shown"), [("NAME[=VALUE]", False), ("NAME=VALUE", True)], ids=["250", "before"])
def test_a_command_gets_what_a_unit_sets_and_its_process_shows_names_alone(
    tmp_path: Path, option: str, *, shown: bool
) -> None:
    """Before systemd 250 it has to tell the values."""
    played(tmp_path, "connector.service", etc=tmp_path, option=option)
    with (tmp_path / "connector.service").open("a", encoding="utf-8") as unit:
        unit.write(
            'Environment="CONNECTOR_A=two words" CONNECTOR_B=plain\n'
            'Environment=\'CONNECTOR_C=with "quotes"\' CONNECTOR_D="it\'s 100 %%"\n'
            "Environment=CONNECTOR_E=a=b$HOME`id` PATH=/usr/bin:/bin NO-NAME=1\n"
        )
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["connector", "jobs"], env=path, capture_output=True, text=True, check=True)
    words = {
        "CONNECTOR_A=two words",
        "CONNECTOR_B=plain",
        'CONNECTOR_C=with "quotes"',
        "CONNECTOR_D=it's 100 %",
        "CONNECTOR_E=a=b$HOME`id`",
    }
    assert words <= set(done.stdout.splitlines())
    asked = (tmp_path / "asked").read_text("utf-8").splitlines()
    assert {f"--setenv={word if shown else word.partition('=')[0]}" for word in words} <= set(asked)
    assert any("two words" in each for each in asked) == shown


@pytest.mark.parametrize(
    ("units", "why"),
    [
        (["other.service"], "not installed"),
        (["connector.service", "connector-scheduler@1.service"], "systemctl disable --now connector"),
        (["connector.service", "connector-worker@1.service"], "both installed"),
    ],
)
def test_a_command_without_a_service_of_its_own_says_so(tmp_path: Path, units: list[str], why: str) -> None:
    """With two kinds of them it would be chance whose ledger it works with."""
    played(tmp_path, *units, etc=tmp_path)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["connector", "jobs"], env=path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert done.stderr.count("Error:") == 1


@pytest.mark.parametrize(
    ("words", "asked"), [(["completion", "bash"], {}), ([], {"_CONNECTOR_COMPLETE": "bash_complete"})]
)
def test_a_shell_completes_a_line_without_the_service(
    tmp_path: Path, words: list[str], asked: dict[str, str]
) -> None:
    played(tmp_path, "other.service", etc=tmp_path)
    given = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **asked}
    done = subprocess.run(["connector", *words], env=given, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", words)


def test_what_was_added_to_a_unit_that_was_removed_is_no_service(tmp_path: Path) -> None:
    played(tmp_path, "connector.service", "connector-worker@1.service", etc=tmp_path)
    (tmp_path / "connector.service").write_text(ADDED.format(etc=tmp_path), encoding="utf-8")
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["connector", "jobs"], env=path, capture_output=True, text=True, check=True)
    assert "CONNECTOR_LEDGER__URL_FILE" in done.stdout


def played(folder: Path, *units: str, etc: Path, option: str = "NAME[=VALUE]") -> None:
    """Write the command, and the programs that stand for systemd's, into a folder; `option`: what --setenv takes."""
    for unit in units:
        template = "connector.service" if unit == "connector.service" else "connector-role@.service"
        text = (DEPLOY / "systemd" / template).read_text("utf-8").replace("/etc/connector", str(etc))
        (folder / unit).write_text(text + ADDED.format(etc=etc), encoding="utf-8")
    programs = {
        "connector": (DEPLOY / "systemd" / "connector-command")
        .read_text(encoding="utf-8")
        .replace("/etc/connector", str(etc))
        .replace("/opt/connector/bin/connector", str(folder / "opt")),
        "opt": '#!/bin/sh\nenv | grep ^CONNECTOR_ | sort\nfor each in "$@"; do echo "$each"; done\n',
        "systemctl": f'#!/bin/sh\n[ "$1" = cat ] && cat {folder}/"$2"\n',
        "systemd-run": f'#!/bin/sh\n[ "$1" = --help ] && echo " --setenv={option} " && exit\n'
        f"printf '%s\\n' \"$@\" >{folder}/asked; PATH={os.environ['PATH']}\n"
        'for each in "$@"; do shift; case $each in --setenv=*) export "${each#*=}" ;;'
        f' --*) echo "$each" ;; *) exec env CREDENTIALS_DIRECTORY={folder}/handed "$each" "$@" ;; esac; done\n',
    }
    for name, script in programs.items():
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return loaded


def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in compose["services"].items() if "build" in each}


def test_compose_understands_its_file(compose: dict[str, Any]) -> None:
    specification = pytest.importorskip("compose_spec", reason="make deploy-check fetches it")
    plain = {name: value for name, value in compose.items() if not name.startswith("x-")}
    plain["services"]["worker"]["deploy"]["replicas"] = 2  # a variable there
    specification.ComposeSpecification.model_validate(plain)


def test_every_role_is_a_command_and_gets_secrets_as_files(compose: dict[str, Any], tmp_path: Path) -> None:
    roles = {service["command"][0] for service in ours(compose).values()}
    assert {*ROLES} <= roles <= {*COMMANDS}
    for service in ours(compose).values():
        files = {f"/run/secrets/{name}" for name in service["secrets"]}
        named = {value for value in service["environment"].values() if value.startswith("/run/secrets/")}
        assert named == files
        assert {*service["secrets"]} <= {*compose["secrets"]}
    settings_are_known(ours(compose)["web"]["environment"], tmp_path)


def test_containers_run_without_root_on_a_read_only_file_system(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert "no-new-privileges:true" in service["security_opt"], name
        if name != "postgres":  # it begins as root and gives that up itself
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
    for service in ours(compose).values():
        assert service["stop_grace_period"] == "45s"
        assert service["command"] == ["web"] or service["healthcheck"] == {"disable": True}
    image = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert re.search(r"^USER 10001:10001$", image, re.MULTILINE)
    assert "HEALTHCHECK" in image
    final = image.rpartition("\nFROM ")[2]
    assert "RUN pip uninstall" in final, "the base has one"


def test_what_compose_mounts_is_there(compose: dict[str, Any]) -> None:
    mounted = [path for service in compose["services"].values() for path in service.get("volumes", ())]
    files = {path.partition(":")[0] for path in mounted if path.startswith("./")}
    assert files - {"./etc"} == {
        f"./{each}"
        for each in (
            "prometheus/prometheus.yml",
            "prometheus/alerts.yml",
            "prometheus/compose.json",
            "grafana/connector.json",
            "grafana/provisioning",
        )
    }
    assert all((DEPLOY / path).exists() for path in files - {"./etc"})


def test_postgresql_has_room_for_all_connections_of_as_many_workers_as_kubernetes_starts(
    compose: dict[str, Any],
) -> None:
    kept = connections_of_a_process()
    services = compose["services"]
    [most] = re.findall(r"max_connections=(\d+)", " ".join(services["postgres"]["command"]))
    [workers] = re.findall(r"maxReplicas: (\d+)", (DEPLOY / "kubernetes" / "worker.yaml").read_text("utf-8"))
    web, command = 1, 1
    processes = services["scheduler"]["deploy"]["replicas"] + int(workers) + web + command
    assert int(most) >= processes * kept + 3, "three are kept for a superuser"
    assert f"{kept} times" in (DEPLOY / "README.md").read_text("utf-8")


def connections_of_a_process() -> int:
    """How many connections to a ledger in PostgreSQL a process keeps at most; none is opened."""
    ledger = Services(Settings.model_validate({"ledger": {"url": "postgresql://connector@db/connector"}})).ledger
    pool = ledger.database.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.size()


def test_the_image_is_made_of_the_product_alone() -> None:
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    kept = {line[1:] for line in allowed if line.startswith("!")}
    assert allowed[1] == "*"
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == kept


LEAST = """
[accounts.main]
account_id = "1"
[sources.erp]
adapter = "odoo"
account = "main"
since = 2026-01-01
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lock", "extra"), [("requirements.lock", "celery"), ("requirements-extras.lock", "s3fs")], ids=["lean", "extras"]
)
def test_the_steps_of_the_image_lead_to_the_product_without_pip(tmp_path: Path, lock: str, extra: str) -> None:
    """Everything but the engine: the image's commands, on the files that may get into it."""
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", "")
    steps = [line.removeprefix("RUN ") for line in dockerfile.splitlines() if line.startswith("RUN ")]
    source, target, outer = tmp_path / "src", tmp_path / "opt", tmp_path / "outer"
    source.mkdir()
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    for name in [line[1:] for line in allowed if line.startswith("!")]:
        there = DEPLOY.parent / name
        copy = shutil.copytree if there.is_dir() else shutil.copy
        copy(there, source / name)
    venv.create(outer, with_pip=True)
    program = target / "bin" / "connector"
    for step in steps[:-1]:  # the last one takes pip out of the base, and makes the user
        command = step.replace("/opt/connector", str(target)).replace("/src/", f"{source}/")
        done = subprocess.run(
            ["sh", "-ec", command],
            cwd=source,
            env={**os.environ, "LOCK": lock, "PATH": f"{outer / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert run(str(program), "--version", folder=tmp_path).stdout.startswith("connector")
    installed = {path.name for path in (target / "lib").glob("python*/site-packages/*")}
    assert {"connector", "workers", "config", extra} <= installed
    assert not {"pip", "hatchling", "tests", "setuptools"} & installed
    assert {path.parent.parent.name for path in target.glob("lib/python*/site-packages/**/tests")} <= {"scaffold"}


def settings_are_known(environment: dict[str, str], folder: Path, configuration: str = LEAST) -> None:
    """See that variables of the environment name settings: an unknown one is an error of the configuration."""
    toml = folder / "connector.toml"
    toml.write_text(configuration, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        load(toml)


# ---------------------------------------------------------------- Kubernetes


@pytest.fixture(scope="module")
def cluster() -> list[dict[str, Any]]:
    done = run(needed("kubectl"), "kustomize", str(DEPLOY / "kubernetes"), folder=DEPLOY)
    assert done.returncode == 0, done.stderr
    return [*yaml.safe_load_all(done.stdout)]


def of_kind(cluster: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in cluster if each["kind"] == kind]


def test_kubernetes_knows_every_field(cluster: list[dict[str, Any]]) -> None:
    schemas = pytest.importorskip("kubernetes_validate", reason="make deploy-check fetches it")
    for resource in cluster:
        schemas.validate(resource, "1.32", strict=True)


def test_every_pod_runs_a_command_without_root_and_with_nothing_to_write_but_tmp(
    cluster: list[dict[str, Any]], tmp_path: Path
) -> None:
    pods = [each["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for each in of_kind(cluster, kind)]
    assert {pod["containers"][0]["args"][0] for pod in pods} == {*ROLES, "db"}
    for pod in pods:
        [container] = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        assert pod["terminationGracePeriodSeconds"] == 45
        security = container["securityContext"]
        assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")] == ["/tmp"]
        assert "limits" in container["resources"]
        settings_are_known({each["name"]: each["value"] for each in container["env"]}, tmp_path)
        [secret] = [each["secret"] for each in pod["volumes"] if "secret" in each]
        assert secret["secretName"] == "connector"


def test_no_secret_is_in_the_manifests_and_their_configuration_is_one(
    cluster: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert of_kind(cluster, "Secret") == []
    [config] = of_kind(cluster, "ConfigMap")
    [container] = of_kind(cluster, "Deployment")[0]["spec"]["template"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    settings_are_known(environment, tmp_path, config["data"]["connector.toml"])


def test_what_is_disrupted_and_scaled_is_there(cluster: list[dict[str, Any]]) -> None:
    roles = {each["metadata"]["name"]: each["spec"] for each in of_kind(cluster, "Deployment")}
    for budget in of_kind(cluster, "PodDisruptionBudget"):
        assert (
            budget["spec"]["selector"]["matchLabels"] == roles[budget["metadata"]["name"]]["selector"]["matchLabels"]
        )
    assert len(of_kind(cluster, "PodDisruptionBudget")) == len(roles) == 3
    [scaler] = of_kind(cluster, "HorizontalPodAutoscaler")
    assert "replicas" not in roles[scaler["spec"]["scaleTargetRef"]["name"]]
    metric = scaler["spec"]["metrics"][0]["external"]["metric"]["name"]
    name = metric.removeprefix("connector_").removesuffix("_seconds")
    assert f'"{name}"' in Path(metrics.__file__).read_text("utf-8")
