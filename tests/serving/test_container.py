"""The container files speak of things that exist; building them needs an engine that tests lack."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from serving.__main__ import main
from tests.conftest import ROOT
from tests.serving.builders import config

COMPOSE = yaml.safe_load((ROOT / "serving/compose.yaml").read_text(encoding="utf-8"))
CONTAINER = (ROOT / "serving/Containerfile").read_text(encoding="utf-8")


def test_every_setting_of_the_compose_file_is_one_of_ours(tmp_path: Path) -> None:
    command = COMPOSE["services"]["decisions"]["command"]
    settings = [word for word in command if word != "--set"]

    assert len(settings) == len(command) / 2
    serving = config(tmp_path, *settings).serving
    assert (serving.host, serving.ledger.store) == ("0.0.0.0", "redis")


def test_what_the_image_copies_exists_and_is_what_the_package_needs() -> None:
    copied = [
        name
        for line in re.findall(r"^COPY (.+)$", CONTAINER, flags=re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {project["readme"], "requirements.txt", "uplift", "serving", "conf"} <= set(copied)


def test_services_depend_on_services_and_mount_volumes_that_are_declared() -> None:
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
        mounted = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert mounted <= set(COMPOSE["volumes"])
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_the_image_refuses_to_listen_for_others_without_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    words = re.search(r"^CMD \[(.+)\]$", CONTAINER, flags=re.MULTILINE)
    assert words is not None
    arguments = [word.strip().strip('"') for word in words[1].split(",")]
    arguments[1] = f"workspace={tmp_path}"

    assert main(arguments) == 2
    assert "there is no key" in capsys.readouterr().err
