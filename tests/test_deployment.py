"""The image, the compose file, the systemd unit and the wheel: what they promise stands in them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tomllib
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyCompose
from dockerfile_parse import DockerfileParser

from bot.settings import from_mapping, is_loopback
from tests.test_stops import SECONDS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DEPLOYED = ("Dockerfile", ".dockerignore", "compose.yaml", "deploy/shoebox.service")
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
    assert set(re.findall(r"\w+://\S", text)) <= {"sqlite:///"}
    assert not re.search(r"(_TOKEN|_PASSWORD|_SECRET)=", text)


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


def composed(**environ: str) -> dict[str, Any]:
    """The service as compose reads it with these variables; the file has to keep to its rules."""

    def put_in(match: re.Match[str]) -> str:
        value = environ.get(match[1], "")
        return (value or match[3]) if match[2] == ":-" else (match[3] if value else "")

    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    file = PyCompose.from_yaml(re.sub(r"\$\{(\w+)(:[-+])([^}]*)\}", put_in, text))
    file.validate()
    assert set(file.volumes or ()) == {"data", "models"}
    service: dict[str, Any] = file.to_dict()["services"]["shoebox"]
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
