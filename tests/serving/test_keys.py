import json
import stat
from pathlib import Path

import pytest

from serving.access import Gate
from serving.errors import KeyMissingError, RateError, ScopeError
from serving.keys import KeyRing, main, make_key, read_keys, revoke_key
from serving.rates import Rates
from tests.serving.test_main import CONF
from uplift.errors import ContractError


def test_a_key_opens_what_it_is_for_and_nothing_else(tmp_path: Path) -> None:
    key = make_key(tmp_path / "keys.json", ["decide"])
    gate = Gate(KeyRing(tmp_path / "keys.json"), Rates(None))

    gate.admit(f"Bearer {key}", "decide")
    gate.admit(f"bearer {key}", None)
    with pytest.raises(ScopeError, match=r"good for \['decide'\], not for 'admin'"):
        gate.admit(f"Bearer {key}", "admin")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer ",
        "Bearer upk_",
        "Bearer upk_00000000_x",
        "Basic abc",
        "Bearer \0",
        "KEY",
        "KEYx",
    ],
)
def test_what_is_no_key_opens_nothing(tmp_path: Path, header: str) -> None:
    key = make_key(tmp_path / "keys.json", ["decide"])
    shown = header.replace("KEYx", f"Bearer {key}x").replace("KEY", key)
    gate = Gate(KeyRing(tmp_path / "keys.json"), Rates(None))

    with pytest.raises(KeyMissingError):
        gate.admit(shown, "decide")


def test_only_a_digest_is_stored_and_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = make_key(path, ["admin"], note="console").split("_", 2)[2]

    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_expired_key_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = make_key(path, ["decide"], days=1.0)
    assert KeyRing(path).find(key)
    document = json.loads(path.read_text())
    document["keys"][0]["expires_at"] = "2001-01-01T00:00:00+00:00"
    path.write_text(json.dumps(document))

    assert KeyRing(path).find(key) is None
    assert len(read_keys(path)) == 1


def test_keys_change_without_a_restart(tmp_path: Path) -> None:
    path, now = tmp_path / "keys.json", [0.0]
    first = make_key(path, ["decide"])
    ring = KeyRing(path, clock=lambda: now[0])

    second = make_key(path, ["decide"])
    revoke_key(path, first.split("_")[1])
    assert ring.find(first)  # at most for a second
    now[0] = 1.0

    assert ring.find(first) is None
    assert ring.find(second)


def test_a_damaged_file_stops_a_start_but_not_a_running_service(tmp_path: Path) -> None:
    path, now = tmp_path / "keys.json", [0.0]
    key = make_key(path, ["decide"])
    ring = KeyRing(path, clock=lambda: now[0])
    path.write_text("{")
    now[0] = 1.0

    assert ring.find(key)
    with pytest.raises(ContractError, match=r"keys\.json is no file of keys"):
        KeyRing(path)


def test_a_key_may_ask_so_often_and_then_has_to_wait() -> None:
    now = [0.0]
    rates = Rates(2.0, clock=lambda: now[0])

    assert [rates.wait("a", None) for _ in range(3)] == [0.0, 0.0, pytest.approx(0.5)]
    assert rates.wait("b", None) == 0.0
    assert [rates.wait("c", 1.0) for _ in range(2)] == [0.0, pytest.approx(1.0)]
    now[0] = 0.5
    assert rates.wait("a", None) == 0.0
    assert Rates(None).wait("a", None) == 0.0


def test_a_rate_that_is_passed_says_when_to_come_again(tmp_path: Path) -> None:
    key = make_key(tmp_path / "keys.json", ["decide"], requests_per_second=1.0)
    gate = Gate(KeyRing(tmp_path / "keys.json"), Rates(None))

    gate.admit(f"Bearer {key}", "decide")
    with pytest.raises(RateError, match="come again in") as caught:
        gate.admit(f"Bearer {key}", "decide")
    assert 0.0 < caught.value.seconds <= 1.0


def test_the_command_line_makes_lists_and_revokes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*CONF, f"--set=workspace={tmp_path}"]

    assert main([*options, "make", "--scope", "decide", "--scope", "admin", "--note", "shop"]) == 0
    key = capsys.readouterr().out.strip()
    key_id = key.split("_")[1]
    assert KeyRing(tmp_path / "keys.json").find(key)
    assert main([*options, "list"]) == 0
    assert capsys.readouterr().out == f"{key_id}  decide,admin  expires never  shop\n"
    assert main([*options, "revoke", key_id]) == 0
    assert main([*options, "revoke", key_id]) == 2
    assert f"there is no key '{key_id}'" in capsys.readouterr().err
