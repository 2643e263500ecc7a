from pathlib import Path

import fsspec
import pytest

from uplift.audience.delivery import deliver
from uplift.errors import ConfigError, ContractError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "audience.csv"
    path.write_text("unit_id\na\n")
    return path


def test_a_folder_is_made_and_an_older_file_gives_way(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "crm" / "in"
    for content in ("unit_id\na\n", "unit_id\nb\n"):
        file.write_text(content)
        assert deliver(file, str(target)) == str(target / file.name)
        assert (target / file.name).read_text() == content
    assert [path.name for path in target.iterdir()] == [file.name]


def test_a_url_gets_the_whole_file_under_its_name(file: Path) -> None:
    where = deliver(file, "memory://crm/in")
    system = fsspec.filesystem("memory")
    assert where == "memory:///crm/in/audience.csv"
    assert system.ls("/crm/in", detail=False) == ["/crm/in/audience.csv"]
    assert system.cat("/crm/in/audience.csv") == file.read_bytes()


def test_a_target_that_cannot_be_written_is_named_with_the_way_out(
    file: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ContractError, match=r"cannot be delivered to .*taken.*correct `deliver`"):
        deliver(file, str(tmp_path / "taken" / "in"))


def test_an_unknown_protocol_is_an_error_of_the_config(file: Path) -> None:
    with pytest.raises(ConfigError, match="`deliver: pigeon://loft`"):
        deliver(file, "pigeon://loft")
