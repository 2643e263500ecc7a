from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs import assign_coupons
from tests.conftest import ROOT
from tests.jobs.builders import leave_experiment
from tests.serving.builders import AS_OF, customers, model, policy, tables
from uplift.config import Config, load_config
from uplift.errors import BudgetError, ConfigError, ContractError, VersionMismatchError
from uplift.policy import Policy, decide
from uplift.workspace import Workspace, read_document

pytestmark = pytest.mark.spark

CONF = [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"]
SCORES = tables(customers())["customer_scores"]


def configured(root: Path, *overrides: str) -> Config:
    chosen = ["policy.budget_eur=100", "policy.exploration_share=0.1", *overrides]
    return load_config(CONF, [f"workspace={root}", *chosen])


def leave(root: Path, scores: pa.Table) -> None:
    folder = Workspace(root).table("customer_scores")
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(scores, folder / "part-00000.parquet")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace as the jobs before this one leave it."""
    leave(tmp_path / "coupon", SCORES)
    return tmp_path / "coupon"


def published_policy(root: Path) -> Policy:
    return Policy.from_document(read_document(Workspace(root).report("policy"), made_by="itself"))


def allocation(root: Path) -> dict[str, object]:
    return read_document(Workspace(root).report("allocation"), made_by="itself")


def test_the_decisions_are_those_that_the_published_policy_makes_online(
    spark: SparkSession, root: Path
) -> None:
    assign_coupons.run(spark, configured(root))
    found = pq.read_table(Workspace(root).table("decisions")).sort_by("unit_id")
    expected = decide(
        published_policy(root),
        SCORES["unit_id"].to_pylist(),
        SCORES["expected_conversion"].to_pylist(),
        None,
        SCORES["contactable"].to_numpy(),
    )
    assert found.to_pydict() == {
        "unit_id": SCORES["unit_id"].to_pylist(),
        "decision_arm": expected.arm.tolist(),
        "reason": expected.reason.tolist(),
        "decision_propensity": expected.propensity.tolist(),
    }


def test_the_policy_says_what_it_was_priced_on(spark: SparkSession, root: Path) -> None:
    assign_coupons.run(spark, configured(root))
    found = published_policy(root)
    assert found.as_of == AS_OF.isoformat()
    assert found.model_version == model().version
    assert found.arms.names == ("no_coupon", "coupon_5", "coupon_10")
    control = [row[0] for row in SCORES["expected_conversion"].to_pylist()]
    assert found.sure_thing_conversion == pytest.approx(sum(control) / len(control), abs=1e-9)


def test_the_spend_stays_within_the_budget(spark: SparkSession, root: Path) -> None:
    assign_coupons.run(spark, configured(root))
    report = allocation(root)
    assert report["policy_version"] == published_policy(root).version
    assert report["customers"] == SCORES.num_rows
    assert 0.0 < report["expected_spend_eur"] <= 100.0
    assert published_policy(root).shadow_price > 0.0


@pytest.mark.parametrize(("spend_eur", "is_much"), [(89.0, True), (91.0, False)])
def test_a_budget_that_binds_and_is_left_over_is_a_warning(
    caplog: pytest.LogCaptureFixture, spend_eur: float, is_much: bool
) -> None:
    assign_coupons.warn_of_unspent(replace(policy(), budget_eur=100.0), spend_eur)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * is_much


@pytest.mark.parametrize("changes", [{"budget_eur": None}, {"shadow_price": 0.0}])
def test_a_budget_that_does_not_bind_may_be_left_over(
    caplog: pytest.LogCaptureFixture, changes: dict[str, float | None]
) -> None:
    assign_coupons.warn_of_unspent(replace(policy(), **changes), 0.0)
    assert not caplog.records


def test_a_second_run_writes_the_same_bytes(spark: SparkSession, root: Path) -> None:
    def content() -> list[bytes]:
        assign_coupons.run(spark, configured(root))
        workspace = Workspace(root)
        written = sorted(workspace.table("decisions").glob("*.parquet"))
        reports = [workspace.report("policy"), workspace.report("allocation")]
        return [path.read_bytes() for path in [*written, *reports]]

    assert content() == content()


def test_thresholds_and_limits_come_from_the_config(spark: SparkSession, root: Path) -> None:
    chosen = ("policy.budget_eur=null", "segments.sure_thing_conversion=0.33", "policy.salt=x")
    assign_coupons.run(spark, configured(root, *chosen))
    found = published_policy(root)
    assert (found.budget_eur, found.shadow_price, found.salt) == (None, 0.0, "x")
    assert found.sure_thing_conversion == 0.33
    assert allocation(root)["duality_gap_eur"] == 0.0


def test_a_budget_below_the_cost_of_exploration_names_the_way_out(
    spark: SparkSession, root: Path
) -> None:
    with pytest.raises(BudgetError, match=r"Lower `policy\.exploration_share`"):
        assign_coupons.run(spark, configured(root, "policy.budget_eur=0.5"))
    assert not Workspace(root).table("decisions").exists()


def test_scores_of_two_nights_are_refused(spark: SparkSession, root: Path) -> None:
    mixed = SCORES.set_column(
        SCORES.schema.get_field_index("model_version"),
        "model_version",
        pa.array(["0" * 12, *SCORES["model_version"].to_pylist()[1:]]),
    )
    leave(root, mixed)
    with pytest.raises(ContractError, match=r"Run jobs\.score_customers again"):
        assign_coupons.run(spark, configured(root))


def test_scores_for_other_arms_are_refused_before_any_task_starts(
    spark: SparkSession, root: Path
) -> None:
    one = "{name: coupon_5, contact_cost_eur: 0.1, redemption_cost_eur: 5.0}"
    with pytest.raises(VersionMismatchError, match=r"prices are for 1 treatments"):
        assign_coupons.run(spark, configured(root, f"campaign.treatments=[{one}]"))


def test_revenue_that_was_not_scored_is_refused(spark: SparkSession, root: Path) -> None:
    with pytest.raises(ContractError, match=r"Train on a log with revenue"):
        assign_coupons.run(spark, configured(root, "campaign.value.basis=revenue"))


def test_an_endless_budget_is_written_null(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"`policy\.budget_eur` = inf"):
        configured(root, "policy.budget_eur=.inf")


def test_held_out_rows_bear_out_a_model_that_is_right(spark: SparkSession, root: Path) -> None:
    """Expected and measured agree within the interval; the curve rises; the types are bounded."""
    leave_experiment(Workspace(root), n=6_000)
    model().save(Workspace(root).model)
    assign_coupons.run(spark, configured(root, "evaluation.replicates=50"))
    report = allocation(root)
    calibrated = report["calibrated_incremental_profit_eur"]
    expected = report["expected_incremental_profit_eur"]
    assert calibrated["low"] < expected < calibrated["high"]
    assert abs(calibrated["estimate"] - expected) < 3.0 * calibrated["standard_error"]
    curve = report["what_if"]
    assert len(curve) == 3  # explorers alone, then the two kinds of customers for whom it pays
    profits = [point["expected_profit_eur"] for point in curve]
    assert profits == sorted(profits)
    assert all(point["calibrated_profit_eur"]["low"] is not None for point in curve[1:])
    dogs = report["types"]["segments"]["sleeping_dog"]["coupon_5"]["types"]["sleeping_dog"]
    assert 0.0 < dogs["low"] < dogs["high"] < 0.6
    assert Workspace(root).report("what_if").with_suffix(".png").stat().st_size > 1000


def test_without_an_experiment_nothing_is_calibrated(spark: SparkSession, root: Path) -> None:
    assign_coupons.run(spark, configured(root))
    report = allocation(root)
    assert report["calibrated_incremental_profit_eur"] is report["types"] is None
    assert {point["calibrated_profit_eur"] for point in report["what_if"]} == {None}


def test_the_suppression_list_and_the_cap_reach_the_decisions(
    spark: SparkSession, root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "suppression.csv"
    path.write_text("unit_id\nu000\nu001\nu002\n")
    chosen = (
        f"policy.eligibility.suppression={path}",
        "policy.max_coupons={coupon_5: 10}",
        "policy.budget_eur=null",
    )
    assign_coupons.run(spark, configured(root, *chosen))
    found = pq.read_table(Workspace(root).table("decisions")).sort_by("unit_id").to_pydict()
    assert found["decision_arm"][:3] == [0, 0, 0]
    assert found["decision_arm"].count(1) == 10
    assert allocation(root)["arm_prices_eur"]["coupon_5"] > 0.0
