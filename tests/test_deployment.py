"""The image, the compose file, the systemd unit and the wheel: what they promise stands in them."""

from __future__ import annotations

import io
import ipaddress
import json
import re
import subprocess
import tomllib
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from compose_spec import PyCompose
from dockerfile_parse import DockerfileParser

from bot.__main__ import _parser
from bot.roles import Role, make_sure
from bot.settings import Settings, from_mapping, is_loopback
from storage.pg.indexes import MEMORY_MB
from tests.test_stops import SECONDS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DEPLOYED = {
    "Dockerfile": {"sqlite:///"},
    ".dockerignore": set(),
    "compose.yaml": {"sqlite:///"},
    "compose.big.yaml": {"postgresql://s", "http://g"},
    "deploy/shoebox.service": {"sqlite:///"},
}
"""What is deployed with, and how the addresses in it begin."""
ROOMS = ("adapters", "bot", "storage")
UNPACKED = {"bot/starter/training.png"}
"""Shown on a page, never by the program."""


def test_a_wheel_holds_all_that_lies_in_the_packages() -> None:
    """An import from the source tree would not notice what an installed one lacks."""
    setuptools = PROJECT["tool"]["setuptools"]
    data: dict[str, list[str]] = setuptools["package-data"]
    for room in ROOMS:
        for file in (ROOT / room).rglob("*"):
            if not file.is_file() or file.suffix == ".pyc":
                continue
            name = file.relative_to(ROOT)
            package = ".".join(name.parts[:-1])
            assert package in setuptools["packages"], f"{name} is in no package that is installed"
            globs = ["*.py", *data.get(package, [])]
            packed = any(fnmatch(file.name, pattern) for pattern in globs)
            assert packed != (name.as_posix() in UNPACKED), name


@pytest.mark.parametrize("name", DEPLOYED)
def test_no_secret_and_no_address_is_written_down(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert set(re.findall(r"\w+://\S", text)) <= DEPLOYED[name]
    assert not re.search(r"(_TOKEN|_PASSWORD|_SECRET)=", text)
    for word in re.findall(r"(?:_TOKEN|_PASSWORD|_SECRET): (.*)", text):
        assert re.match(r'""$|\$\{|&\w+ \$\{|\*\w+$', word), word


# The image

Stage = list[tuple[str, str]]


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    """(instruction, value) of each stage."""
    parser = DockerfileParser(fileobj=io.BytesIO((ROOT / "Dockerfile").read_bytes()))
    found: list[Stage] = []
    for entry in parser.structure:
        if entry["instruction"] == "FROM":
            found.append([])
        if entry["instruction"] != "COMMENT":
            found[-1].append((entry["instruction"], entry["value"]))
    return found


def of(stage: Stage, instruction: str) -> list[str]:
    return [" ".join(value.split()) for name, value in stage if name == instruction]


def test_the_image_has_what_is_installed_and_nothing_of_the_build(stages: list[Stage]) -> None:
    build, final = stages
    assert of(build, "FROM") == ["python:3.11-slim-bookworm AS build"]
    assert of(final, "FROM") == ["python:3.11-slim-bookworm"], "a venv fits one Python only"
    assert of(final, "COPY") == ["--from=build /opt/shoebox /opt/shoebox"]
    assert of(build, "ARG") == ['TORCH_INDEX_URL=""']
    assert not [name for name, _ in build + final if name == "ADD"]
    torch, product = of(build, "RUN")
    pinned = [each for each in PROJECT["project"]["dependencies"] if each.startswith("torch")]
    assert torch.endswith(" ".join(pinned)), "what was installed first is what is wanted then"
    assert product == "/opt/shoebox/bin/pip install '.[all]'"


def test_only_what_the_build_copies_is_sent_to_it(stages: list[Stage]) -> None:
    copied = {name for value in of(stages[0], "COPY") for name in value.split()[:-1]}
    assert copied == {"pyproject.toml", "README.md", "LICENSE", *ROOMS}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) >= set(ROOMS)
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*", "all else stays outside: .env, data, models, .git"
    assert {p[1:] for p in patterns if p.startswith("!")} == copied
    assert patterns[-1] == "**/.env*", "the last pattern that fits decides"


def test_the_image_runs_as_nobody_in_particular(stages: list[Stage]) -> None:
    final = stages[1]
    (user,) = of(final, "USER")
    assert user == "10001:10001"
    (made,) = of(final, "RUN")
    assert "install --directory --owner=10001 --group=10001 --mode=0700 /data /data/models" in made
    assert [json.loads(value) for value in of(final, "VOLUME")] == [["/data", "/data/models"]]
    (variables,) = of(final, "ENV")
    chosen = from_mapping(dict(each.split("=", 1) for each in variables.split()))
    assert chosen.database_path == Path("/data/shoebox.db")
    assert chosen.models_folder == Path("/data/models")
    assert is_loopback(chosen.web_host), "whoever opens it has to choose a password"
    names = [name for name, _ in final]
    assert names.index("USER") > max(n for n, name in enumerate(names) if name in ("RUN", "COPY"))
    assert of(final, "STOPSIGNAL") == ["SIGTERM"]
    command = json.loads(of(final, "ENTRYPOINT")[0]) + json.loads(of(final, "CMD")[0])
    assert command == ["python", "-m", "bot", "run"]
    (health,) = of(final, "HEALTHCHECK")
    assert json.loads(health.partition("CMD ")[2]) == ["python", "-m", "bot", "health"]


def test_the_image_is_made_by_commands_that_a_shell_understands(stages: list[Stage]) -> None:
    for command in [value for stage in stages for value in of(stage, "RUN")]:
        assert subprocess.run(["sh", "-n", "-c", command]).returncode == 0, command
    (install,) = [each for each in of(stages[0], "RUN") if "TORCH" in each]
    shown = "printf '<%s>' " + install.partition("pip install ")[2]
    for url, options in (("", ""), ("http://h/whl", "<--index-url><http://h/whl>")):
        done = subprocess.run(
            ["sh", "-c", shown], env={"TORCH_INDEX_URL": url}, capture_output=True, text=True
        )
        assert done.stdout.startswith(f"{options}<torch=="), done.stdout


# Compose


def read_compose(name: str, **environ: str) -> dict[str, Any]:
    """The file as compose reads it with these variables; it has to keep to its rules."""

    def put_in(match: re.Match[str]) -> str:
        value = environ.get(match[1], "")
        if match[2] == ":?" and not value:
            raise KeyError(f"{match[1]}: {match[3]}")
        return (match[3] if value else "") if match[2] == ":+" else value or match[3]

    text = (ROOT / name).read_text(encoding="utf-8")
    file = PyCompose.from_yaml(re.sub(r"\$\{(\w+)(:[-+?])([^}]*)\}", put_in, text))
    file.validate()
    read: dict[str, Any] = file.to_dict()
    return read


def composed(**environ: str) -> dict[str, Any]:
    """The service of the small set-up."""
    file = read_compose("compose.yaml", **environ)
    assert set(file["volumes"]) == {"data", "models"}
    assert set(file["services"]) == {"shoebox"}, "nothing else is started by default"
    service: dict[str, Any] = file["services"]["shoebox"]
    return service


def test_a_container_may_do_as_little_as_it_needs() -> None:
    service = composed()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert "network_mode" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["data:/data", "models:/data/models"]
    (scratch,) = service["tmpfs"]
    assert scratch.startswith("/tmp:")
    assert {"nosuid", "nodev", "noexec", "size=512m"} <= set(scratch.split(":")[1].split(","))
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert int(service["stop_grace_period"].removesuffix("s")) > SECONDS
    assert service["restart"] == "unless-stopped"
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert service["env_file"] == ".env"


def test_a_container_s_web_chat_is_reached_with_a_password_from_this_machine_only() -> None:
    for port, said in (("8080", {}), ("9090", {"WEB_PORT": "9090"})):
        assert composed(**said)["ports"] == [f"127.0.0.1:{port}:8080"]
    closed = from_mapping(composed()["environment"])
    assert is_loopback(closed.web_host)
    said = {"WEB_PASSWORD": "correct horse", "WEB_HOST": "127.0.0.1", "DATABASE_URL": "sqlite:///x"}
    opened = from_mapping(said | composed(**said)["environment"])
    assert (opened.web_host, opened.web_port) == ("0.0.0.0", 8080)
    assert opened.database_path == Path("/data/shoebox.db"), "whatever .env says"


# Compose, the big set-up

SECRETS = {"POSTGRES_PASSWORD": "0123abcd", "GATEWAY_SECRET": "0123456789abcdef"}
OWN = {"command", "depends_on", "deploy", "environment", "networks", "ports", "volumes"}
"""What a part of the big set-up has in its own way; all else is as in the small one."""
CLOSED = (
    *("read_only", "cap_drop", "security_opt", "pids_limit", "restart", "logging"),
    *("mem_limit", "tmpfs"),
)


def big(**environ: str) -> dict[str, Any]:
    services: dict[str, Any] = read_compose("compose.big.yaml", **SECRETS, **environ)["services"]
    return services


def as_process(service: dict[str, Any], **env_file: str) -> tuple[Settings, Role]:
    """Settings and role of a container, with what .env holds beside; refused if they don't fit."""
    environment = {key: str(value or "") for key, value in service["environment"].items()}
    chosen = from_mapping(SECRETS | env_file | environment)
    role = Role(_parser().parse_args(service["command"]).role)
    make_sure(role, chosen)
    return chosen, role


def test_the_big_set_up_is_one_gateway_and_two_encoders_on_one_memory() -> None:
    services = big()
    assert set(services) == {"database", "gateway", "encoder"}
    tokens = {"DISCORD_TOKEN": "d", "TELEGRAM_TOKEN": "t", "OWNER_PASSWORD": "o"}
    elsewhere = {"DATABASE_URL": "sqlite:///x", "DATA_FOLDER": "y", "GATEWAY_URL": "http://z"}
    gateway, talks = as_process(services["gateway"], **tokens, **elsewhere)
    encoder, looks = as_process(services["encoder"], **tokens, **elsewhere)
    assert (talks, looks) == (Role.GATEWAY, Role.ENCODER)
    assert services["encoder"]["deploy"]["replicas"] == 2
    assert gateway.database_url == encoder.database_url
    assert (gateway.discord_token, gateway.telegram_token) == ("d", "t")
    assert set(filter(None, encoder.secrets)) == {*SECRETS.values()}, (
        "who opens strangers' files has no tokens and no passwords of pages"
    )
    assert gateway.data_folder == Path("/data")
    assert gateway.models_folder == encoder.models_folder == Path("/data/models")


def test_encoders_reach_the_gateway_and_all_reach_the_database_by_their_names() -> None:
    services = big()
    gateway, _ = as_process(services["gateway"])
    encoder, _ = as_process(services["encoder"])
    assert gateway.gateway_listen is not None
    host, port = gateway.gateway_listen
    assert ipaddress.ip_address(host).is_unspecified, "127.0.0.1 is the gateway's own"
    assert encoder.gateway_urls == (f"http://gateway:{port}",)
    assert gateway.gateway_secret == encoder.gateway_secret == SECRETS["GATEWAY_SECRET"]
    url, database = urlsplit(gateway.database_url), services["database"]
    assert url.hostname == "database"
    assert (url.port or 5432) == 5432
    said = database["environment"]
    assert (url.username, url.password, url.path[1:]) == (
        *(said["POSTGRES_USER"], said["POSTGRES_PASSWORD"], said["POSTGRES_DB"]),
    )
    for name in ("gateway", "encoder"):
        assert set(services[name]["networks"]) == {"default", "memory"}
        assert services[name]["depends_on"]["database"]["condition"] == "service_healthy"
    assert set(database["networks"]) == {"memory"}


def test_the_big_set_up_opens_no_port_but_the_web_chat_s() -> None:
    file = read_compose("compose.big.yaml", **SECRETS)
    assert file["networks"]["memory"]["internal"] is True
    services = file["services"]
    assert services["gateway"]["ports"] == composed()["ports"]
    assert {name for name, each in services.items() if "ports" in each} == {"gateway"}
    assert not [name for name, each in services.items() if "network_mode" in each]
    closed, _ = as_process(services["gateway"])
    assert is_loopback(closed.web_host)
    opened, _ = as_process(big(WEB_PASSWORD="horse")["gateway"], WEB_PASSWORD="horse")
    assert (opened.web_host, opened.web_port) == ("0.0.0.0", 8080)
    shut, _ = as_process(big(WEB_PASSWORD="horse")["encoder"], WEB_PASSWORD="horse")
    assert is_loopback(shut.web_host)


def test_parts_of_the_big_set_up_may_do_as_little_as_the_small_one() -> None:
    small, services = composed(), big()
    for name in ("gateway", "encoder"):
        for key in {*small, *services[name]} - OWN:
            assert services[name].get(key) == small.get(key), f"{name}: {key}"
    assert services["gateway"]["volumes"] == small["volumes"]
    assert services["encoder"]["volumes"] == ["models:/data/models"]
    database = services["database"]
    for key in CLOSED:
        assert database[key]
    assert (database["read_only"], database["cap_drop"]) == (True, ["ALL"])
    assert database["user"] == "999:999", "root could not become anybody without capabilities"
    assert database["security_opt"] == small["security_opt"]
    assert "cap_add" not in database
    assert "privileged" not in database


def test_the_memory_of_the_big_set_up_outlives_its_container() -> None:
    file = read_compose("compose.big.yaml", **SECRETS)
    database = file["services"]["database"]
    image, _, tag = database["image"].partition(":")
    assert image == "pgvector/pgvector"
    assert re.fullmatch(r"\d+\.\d+\.\d+-pg18-\w+", tag), "18 keeps its files one folder higher"
    assert database["volumes"] == ["database:/var/lib/postgresql"]
    assert set(file["volumes"]) == {"database", "data", "models"}
    assert set(file["volumes"]) > set(read_compose("compose.yaml")["volumes"])
    assert file["name"] == read_compose("compose.yaml")["name"], "for a move the data is the same"
    assert int(database["shm_size"].removesuffix("gb")) * 1024 > MEMORY_MB, "an index is made in it"
    test = database["healthcheck"]["test"]
    assert test[:3] == ["CMD", "pg_isready", "--host=127.0.0.1"]
    assert {"--username=shoebox", "--dbname=shoebox"} <= set(test)


@pytest.mark.parametrize("missing", SECRETS)
def test_the_big_set_up_does_not_start_without_its_secrets(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        read_compose(
            "compose.big.yaml", **{key: SECRETS[key] for key in SECRETS.keys() - {missing}}
        )


# systemd


def test_a_service_may_do_as_little_as_it_needs() -> None:
    text = (ROOT / "deploy/shoebox.service").read_text(encoding="utf-8")
    unit: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            unit[key].append(value)
    assert re.findall(r"^\[(\w+)\]$", text, re.MULTILINE) == ["Unit", "Service", "Install"]
    assert unit["ExecStart"] == ["/opt/shoebox/bin/python -m bot run"]
    assert unit["User"] == ["shoebox"]
    chosen = from_mapping(dict(each.split("=", 1) for each in unit["Environment"]))
    (folder,) = unit["StateDirectory"]
    assert chosen.data_folder == Path("/var/lib") / folder, "the only place that it may write to"
    assert unit["EnvironmentFile"] == ["-/etc/shoebox.env"]
    for key in (
        "ProtectHome",
        "PrivateTmp",
        "PrivateDevices",
        "NoNewPrivileges",
        "LockPersonality",
    ):
        assert unit[key] == ["yes"]
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["CapabilityBoundingSet"] == [""]
    assert unit["StateDirectoryMode"] == ["0700"]
    assert unit["MemoryMax"]
    families = set(unit["RestrictAddressFamilies"][0].split())
    assert families == {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"}
    assert unit["SystemCallFilter"] == ["@system-service", "~@privileged"]
    assert "MemoryDenyWriteExecute" not in unit, "PyTorch's kernels are made while it runs"
    assert int(unit["TimeoutStopSec"][0]) > SECONDS
