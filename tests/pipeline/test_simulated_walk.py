import pytest

from jobs import assign_coupons, print_summary, publish_snapshot, run_campaign
from serving.loading import load_service
from serving.values import Ask
from tests.pipeline.conftest import Walk
from uplift.audience.snapshot import current
from uplift.policy import SEGMENTS
from uplift.spark.tables import read_table
from uplift.workspace import Workspace, read_document

pytestmark = pytest.mark.spark


def report(walk: Walk, name: str) -> dict[str, object]:
    return read_document(Workspace(walk.config.workspace).report(name), made_by="run_campaign")


def test_the_summary_says_verdict_quality_segments_and_profit_beside_the_truth(coupon, capsys):
    assert print_summary.main(coupon.argv) == 0
    text = capsys.readouterr().out
    for part in (
        "Experiment    coupon: pass",
        "AUTOC",
        *SEGMENTS,
        "incremental profit",
        "truth",
        "Serve",
    ):
        assert part in text


def test_arms_stand_in_the_order_of_the_campaign(coupon, capsys):
    print_summary.main(coupon.argv)
    text = capsys.readouterr().out.partition("Model ")[2]
    assert 0 < text.index("coupon_5") < text.index("coupon_10")


def test_the_measured_effects_cover_the_truth(coupon):
    """Intervals of 95 %: the two average effects within three standard errors of the truth."""
    measured, truth = report(coupon, "evaluation"), report(coupon, "truth")
    for arm in ("coupon_5", "coupon_10"):
        ate = measured["treatments"][arm]["ate"]
        off = ate["estimate"] - truth["treatments"][arm]["true_ate"]
        assert abs(off) < 3 * ate["standard_error"]


def test_the_model_finds_whom_a_coupon_moves(coupon):
    """Better than no ranking, and not better than an oracle."""
    for treatment in report(coupon, "truth")["treatments"].values():
        assert treatment["correlation"] > 0.3
        assert 0 < treatment["autoc"]["model"] < treatment["autoc"]["oracle"]


def test_tonights_coupons_really_earn_more_than_a_coupon_for_everybody(coupon):
    policies = report(coupon, "truth")["policies"]
    tonight = policies["tonight"]["profit_eur"]
    assert tonight > max(0, policies["everybody:coupon_5"]["profit_eur"])
    assert tonight > policies["everybody:coupon_10"]["profit_eur"]
    assert tonight < policies["oracle"]["profit_eur"]


def test_the_budget_is_kept(coupon):
    assert 0 < report(coupon, "allocation")["expected_spend_eur"] <= 4000


def test_everybody_is_scored_decided_and_published(spark, coupon):
    workspace = Workspace(coupon.config.workspace)
    for table in ("customer_scores", "decisions"):
        assert read_table(spark, workspace.table(table), made_by=table).count() == 12000
    current(workspace.published).verify()


def test_the_service_decides_as_the_batch_did(spark, coupon):
    workspace = Workspace(coupon.config.workspace)
    decisions = read_table(spark, workspace.table("decisions"), made_by="assign_coupons")
    service = load_service(workspace.published, coupon.config.campaign)
    names = coupon.config.campaign.arms.names
    try:
        for row in decisions.limit(500).collect():
            answer = service.decide(Ask(row["unit_id"]))
            assert (answer.treatment or names[0]) == names[row["decision_arm"]]
            assert answer.reason == row["reason"]
            assert answer.propensity == row["decision_propensity"]
    finally:
        service.close()


def test_publishing_the_same_night_again_changes_nothing(coupon):
    published = Workspace(coupon.config.workspace).published
    before = current(published).run_id
    assert assign_coupons.main(coupon.argv) == 0
    assert publish_snapshot.main(coupon.argv) == 0
    assert current(published).run_id == before
    assert len(list((published / "runs").glob("[0-9]*"))) == 1


def test_a_walk_that_cannot_start_says_so_in_one_sentence(coupon, tmp_path, capfd):
    argv = [*coupon.argv, f"--set=workspace={tmp_path}", "--set=simulation=null"]
    missing = f"--set=inputs.raw.assignments={tmp_path / 'nowhere'}"
    assert run_campaign.main([*argv, missing]) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "nowhere" in errors[0]
