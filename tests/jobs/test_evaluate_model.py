"""Evaluation: a model that proves itself serves; one that does not is refused in words."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow.artifacts
import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs import evaluate_model, train_model
from tests.jobs.builders import config_of, training_set, write_training_set
from uplift.config import Config
from uplift.errors import ModelNotReadyError, VersionMismatchError
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.companions import load_companions
from uplift.learners.model import UpliftModel, load_model
from uplift.tracking.code import code_version
from uplift.tracking.registry import CHALLENGER, CHAMPION, Alias, RegisteredVersion, version_at
from uplift.tracking.runs import Findings, Lesson, log_model_run
from uplift.tracking.store import TrackingStore, open_store
from uplift.workspace import Workspace, read_document

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@dataclass(frozen=True)
class Judged:
    """A workspace after training and evaluation."""

    config: Config
    store: TrackingStore

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.config.workspace)

    @property
    def served(self) -> UpliftModel:
        return load_model(self.workspace.model)

    def report(self, name: str) -> dict[str, object]:
        return read_document(self.workspace.report(name), made_by="evaluate_model")

    def at(self, alias: Alias) -> RegisteredVersion:
        version = version_at(self.store, alias)
        assert version is not None
        return version

    def enter(self, model: UpliftModel, alias: Alias) -> RegisteredVersion:
        """Register a handmade model."""
        return log_model_run(
            self.store,
            model,
            name="handmade",
            parameters={},
            lesson=Lesson("training_set", "0" * 32, 0, {}, ""),
            code=code_version(),
            findings=Findings(),
            alias=alias,
        )


def walk(spark: SparkSession, config: Config) -> Judged:
    train_model.run(spark, config)
    evaluate_model.run(spark, config)
    return Judged(config, open_store(config.tracking, Workspace(config.workspace)))


@pytest.fixture(scope="module")
def effective(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Coupons that move people: the first model is promoted."""
    root = tmp_path_factory.mktemp("effective")
    write_training_set(root, training_set(effect=0.25))
    return walk(spark, config_of(root))


@pytest.fixture
def copied(effective: Judged, tmp_path: Path) -> Judged:
    """The same workspace, to be spoiled: the artifacts stay where they were logged."""
    shutil.copytree(effective.config.workspace, tmp_path / "copy")
    config = config_of(tmp_path / "copy")
    return Judged(config, open_store(config.tracking, Workspace(config.workspace)))


def test_a_model_that_proves_itself_becomes_champion_and_stands_in_the_workspace(
    effective: Judged,
) -> None:
    promotion = effective.report("promotion")
    assert promotion["promoted"] is True
    assert promotion["serves_averages"] is False
    assert effective.at(CHAMPION) == effective.at(CHALLENGER)
    assert effective.served.version == effective.at(CHAMPION).model_version
    assert promotion["model_version"] == effective.served.version
    reasons = promotion["reasons"]
    assert isinstance(reasons, list)
    assert "coupon_10 p = below 0.0001 in 3 tests of" in reasons[1]
    assert [reason.split("more than ")[1].split(" ")[0] for reason in reasons[4:]] == [
        "nobody",
        "everybody:coupon_5",
        "everybody:coupon_10",
    ]


def test_the_report_sets_the_response_model_beside_and_a_page_tells_it_all(
    effective: Judged,
) -> None:
    found = effective.report("evaluation")
    told = found["gate_evidence"]["coupon_10"]  # type: ignore[index]
    assert told["two_rankings"]["by_uplift"]["low"] > 0
    assert told["two_rankings"]["difference"]["estimate"] is not None
    assert told["stability"]["verdict"] == "pass"
    assert found["policies"]["model"]["dr_value"]["estimate"] is not None  # type: ignore[index]
    page = effective.workspace.page("evaluation").read_text(encoding="utf-8")
    assert "picked by who buys" in page


def test_the_card_tells_what_moves_the_effects_and_what_the_gate_said(
    effective: Judged, tmp_path: Path
) -> None:
    card = effective.report("model_card")
    assert card["model_version"] == effective.served.version
    importance = {
        name: found["importance"]
        for name, found in card["effects"]["coupon_10"].items()  # type: ignore[index]
    }
    assert importance["region"] > 5 * importance["age"]
    assert card["gate"] == effective.report("promotion")["reasons"]
    kept = mlflow.artifacts.download_artifacts(
        run_id=effective.at(CHALLENGER).run_id,
        dst_path=str(tmp_path),
        tracking_uri=effective.store.uri,
    )
    text = Path(kept, "pages", "card.md").read_text(encoding="utf-8")
    assert f"# Model {effective.served.version}" in text
    assert "AUTOC of coupon_10: 0." in text


def test_companions_of_another_model_are_left_aside(copied: Judged) -> None:
    ours = load_companions(copied.workspace, copied.served)
    assert ours.response is not None
    assert ours.halves is not None
    other = load_companions(copied.workspace, ours.halves[0])
    assert (other.response, other.halves) == (None, None)


def test_the_report_and_the_run_tell_the_same_numbers(effective: Judged, tmp_path: Path) -> None:
    report = effective.report("evaluation")
    assert set(report["policies"]) == {  # type: ignore[call-overload]
        "nobody",
        "everybody:coupon_5",
        "everybody:coupon_10",
        "model",
    }
    run = effective.store.client.get_run(effective.at(CHALLENGER).run_id)
    estimate = report["treatments"]["coupon_10"]["autoc"]["estimate"]  # type: ignore[index]
    assert run.data.metrics["treatments.coupon_10.autoc.estimate"] == estimate
    kept = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, dst_path=str(tmp_path), tracking_uri=effective.store.uri
    )
    for name in ("evaluation", "promotion"):
        document = read_document(Path(kept, "documents", f"{name}.json"), made_by="")
        assert document == effective.report(name)
    page = Path(kept, "pages", "evaluation.html").read_bytes()
    assert page == effective.workspace.page("evaluation").read_bytes()
    assert {path.name for path in Path(kept, "figures").iterdir()} == {
        "qini.png",
        "uplift_by_bin.png",
    }


def test_policies_are_worth_what_the_rows_brought_in(effective: Judged) -> None:
    table = pq.read_table(effective.workspace.table("training_set")).to_pandas()
    test = table[(table.split == "test") & (table.arm == 2)]
    brought_in = (30.0 * test.conversion - 0.10 - 10.0 * test.conversion).mean()
    policies = effective.report("evaluation")["policies"]
    value = policies["everybody:coupon_10"]["value"]["estimate"]  # type: ignore[index]
    assert value == pytest.approx(brought_in)


def test_a_rerun_changes_nothing(spark: SparkSession, copied: Judged) -> None:
    evaluate_model.run(spark, copied.config)
    first = {p.name: p.read_bytes() for p in copied.workspace.report("x").parent.iterdir()}
    bundle = {p.name: p.read_bytes() for p in copied.workspace.model.iterdir()}
    evaluate_model.run(spark, copied.config)
    assert {p.name: p.read_bytes() for p in copied.workspace.report("x").parent.iterdir()} == first
    assert {p.name: p.read_bytes() for p in copied.workspace.model.iterdir()} == bundle
    assert copied.at(CHAMPION) == copied.at(CHALLENGER)


def test_a_harmful_challenger_is_refused_and_the_champion_stays(
    spark: SparkSession, copied: Judged
) -> None:
    good = copied.served
    ensemble = good.ensembles["conversion"]
    harmful = replace(
        good, ensembles={"conversion": replace(ensemble, first_output=2 - ensemble.first_output)}
    )
    copied.enter(harmful, CHALLENGER)

    evaluate_model.run(spark, copied.config)

    promotion = copied.report("promotion")
    assert promotion["promoted"] is False
    assert promotion["model_version"] == good.version == copied.served.version
    assert copied.at(CHAMPION).model_version == good.version
    words = " ".join(promotion["reasons"])  # type: ignore[arg-type]
    assert "does not beat chance" in words
    assert "less than champion, more than the tolerance" in words
    assert "Run jobs/train_model again" in words  # its refits are another model's
    assert f"The champion {good.version} stays." in words


def test_a_training_set_that_changed_since_is_refused(spark: SparkSession, copied: Judged) -> None:
    write_training_set(copied.config.workspace, training_set(effect=0.25, seed=1))
    with pytest.raises(VersionMismatchError, match=r"may have taught it\. Run jobs/train_model"):
        evaluate_model.run(spark, copied.config)


def test_a_champion_of_other_features_is_not_compared(spark: SparkSession, copied: Judged) -> None:
    encoder = fit_encoder([FeatureColumn("gone", "numeric"), FeatureColumn("age", "numeric")], {})
    old = UpliftModel(copied.served.arms, encoder, copied.served.ensembles, {"learner": "old"})
    copied.enter(old, CHAMPION)
    table = spark.read.parquet(str(copied.workspace.table("training_set")))
    assert evaluate_model.usable_champion(copied.store, table, copied.config) is None


def test_without_effect_the_averages_of_the_arms_serve(spark: SparkSession, tmp_path: Path) -> None:
    write_training_set(tmp_path, training_set(effect=0.0))
    judged = walk(spark, config_of(tmp_path))
    promotion = judged.report("promotion")
    assert promotion["promoted"] is False
    assert promotion["serves_averages"] is True
    assert "everybody gets the best constant policy" in promotion["reasons"][-1]  # type: ignore[index]
    assert judged.at(CHALLENGER) != judged.at(CHAMPION)
    assert judged.served.version == judged.at(CHAMPION).model_version
    table = pq.read_table(judged.workspace.table("training_set")).to_pandas()
    means = table[table.split == "train"].groupby("arm").conversion.mean()
    features = judged.served.encoder.encode_one({"age": 30.0, "region": "north"})
    np.testing.assert_allclose(judged.served.expected_outcome(features)[0], means)

    evaluate_model.run(spark, judged.config)
    assert judged.served.version == judged.report("promotion")["model_version"]
    assert f"The champion {judged.served.version} stays." not in promotion["reasons"]  # type: ignore[operator]


def test_nothing_to_judge_names_the_job_that_trains(spark: SparkSession, tmp_path: Path) -> None:
    write_training_set(tmp_path, training_set(effect=0.0, n=60))
    with pytest.raises(ModelNotReadyError, match="Run jobs/train_model first"):
        evaluate_model.run(spark, config_of(tmp_path))
