import asyncio
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from serving.runs import Runs
from tests.serving.builders import ARMS, AS_OF, customers, model, policy, publish_run, wide
from tests.serving.test_service import campaign
from uplift.audience.manifest import Facts
from uplift.audience.snapshot import publish, staging_folder
from uplift.errors import ContractError, ModelNotReadyError
from uplift.online.sqlite import build_store
from uplift.workspace import write_document


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_a_newer_run_takes_over_and_the_old_one_answers_who_holds_it(tmp_path: Path) -> None:
    publish_run(tmp_path)
    runs = Runs(tmp_path, campaign())
    old = runs.loaded.service
    fresh = publish_run(tmp_path, customers(200))

    assert asyncio.run(runs.look()) == "loaded"

    assert runs.loaded.service.run_id == fresh.run_id != old.run_id
    assert old.store.get("u250") is not None
    assert asyncio.run(runs.look()) is None


@pytest.mark.parametrize("file", ["customers.sqlite", "model/conversion.npz", "policy.json"])
def test_a_damaged_run_is_refused_once_and_the_old_one_goes_on(tmp_path: Path, file: str) -> None:
    first = publish_run(tmp_path)
    runs = Runs(tmp_path, campaign())
    damage(publish_run(tmp_path, customers(200)).folder / file)

    assert [asyncio.run(runs.look()) for _ in range(2)] == ["refused", None]
    assert runs.loaded.service.run_id == first.run_id
    assert runs.refused is not None
    assert file in runs.refused

    good = publish_run(tmp_path, customers(250))
    assert asyncio.run(runs.look()) == "loaded"
    assert (runs.loaded.service.run_id, runs.refused) == (good.run_id, None)


def test_a_run_that_decides_otherwise_than_its_batch_is_refused(tmp_path: Path) -> None:
    publish_run(tmp_path)
    runs = Runs(tmp_path, campaign())
    features = customers(200)
    lies = wide(features).to_pydict()
    lies["decision_propensity"] = [chance + 1e-9 for chance in lies["decision_propensity"]]
    facts = Facts("coupon", AS_OF, model().version, policy().version, ARMS.names, {}, {}, {})
    with staging_folder(tmp_path) as folder:
        (folder / "scores").mkdir()
        table = wide(features)
        pq.write_table(type(table).from_pydict(lies), folder / "scores" / "part-0.parquet")
        build_store(folder / "customers.sqlite", features.to_batches(), model().encoder)
        model().save(folder / "model")
        write_document(folder / "policy.json", policy().to_document())
        publish(tmp_path, folder, facts)

    assert asyncio.run(runs.look()) == "refused"
    assert "decides 200 of 200 recorded customers otherwise" in str(runs.refused)


def test_a_start_on_a_damaged_run_serves_the_one_that_served_last(tmp_path: Path) -> None:
    published, note = tmp_path / "published", tmp_path / "serving.json"
    first = publish_run(published)
    Runs(published, campaign(), last_good=note).close()
    damage(publish_run(published, customers(200)).customers)

    runs = Runs(published, campaign(), last_good=note)

    assert runs.loaded.service.run_id == first.run_id
    assert "customers.sqlite" in str(runs.refused)
    assert json.loads(note.read_text()) == {"run_id": first.run_id}


def test_without_any_good_run_there_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(ModelNotReadyError, match="nothing is published"):
        Runs(tmp_path / "empty", campaign(), last_good=tmp_path / "serving.json")
    damage(publish_run(tmp_path / "one").customers)
    with pytest.raises(ContractError, match=r"customers\.sqlite"):
        Runs(tmp_path / "one", campaign(), last_good=tmp_path / "serving.json")


def test_a_pointer_that_is_lost_changes_nothing(tmp_path: Path) -> None:
    first = publish_run(tmp_path)
    runs = Runs(tmp_path, campaign())
    (tmp_path / "CURRENT").unlink()

    assert asyncio.run(runs.look()) == "refused"
    assert runs.loaded.service.run_id == first.run_id
