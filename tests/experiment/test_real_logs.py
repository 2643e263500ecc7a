"""Real randomised logs hold; with a planted fault, or never drawn at all, they do not."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from tests.conftest import real_log
from tests.experiment.checks.builders import LIMITS
from uplift.arms import Arms
from uplift.experiment.checks.draws import Draws
from uplift.experiment.clusters import cluster_sums
from uplift.experiment.counts import arm_counts
from uplift.experiment.report import Evidence, ExperimentReport, check_experiment
from uplift.experiment.two_sample import permutations_for, two_sample_tests

pytestmark = pytest.mark.slow

MAILS = Arms(("No E-Mail", "Mens E-Mail", "Womens E-Mail"))
NUMERIC = ("recency", "history", "mens", "womens", "newbie")
CATEGORICAL = ("zip_code", "channel")


def judge(
    rows: pd.DataFrame,
    arms: Arms,
    *,
    numeric: tuple[str, ...],
    categorical: tuple[str, ...] = (),
    outcome: str,
) -> ExperimentReport:
    """All that can be asked of a flat log: ``arm`` by number, features, one outcome."""
    n_arms = len(arms.names)
    n = np.bincount(rows["arm"], minlength=n_arms)
    units = [str(unit) for unit in rows["unit"]]
    seen = rows.groupby("unit")["arm"].agg(["nunique", "size"])
    unknown = np.full(n_arms, np.nan)
    codes = [rows[name].astype("category").cat.codes.astype(float) for name in categorical]
    sample = rows.index < LIMITS.two_sample_max_rows
    tests = two_sample_tests(
        np.column_stack([*(rows[name].astype(float) for name in numeric), *codes])[sample],
        rows["arm"][sample],
        [unit for unit, is_in in zip(units, sample, strict=True) if is_in],
        names=(*numeric, *categorical),
        categorical=range(len(numeric), len(numeric) + len(codes)),
        n_arms=n_arms,
        n_permutations=permutations_for(LIMITS.two_sample_p_value_fail, n_arms - 1),
        explain_below=LIMITS.two_sample_p_value_warn,
        salt="two-sample",
        seed=1,
    )
    evidence = Evidence(
        arms=arms,
        covariates=arm_counts(
            rows["arm"],
            {name: rows[name] for name in numeric},
            {name: rows[name].tolist() for name in categorical},
            n_arms=n_arms,
        ),
        draws=Draws(
            n=n,
            n_in_two_arms=int((seen["nunique"] > 1).sum()),
            n_assignments=n,
            n_without_propensity=n,
            lowest_propensity=unknown,
            highest_propensity=unknown,
            n_repeated=int((seen["size"] - 1).sum()),
        ),
        two_sample=tests,
        outcomes=arm_counts(rows["arm"], {outcome: rows[outcome]}, n_arms=n_arms),
        effects=cluster_sums(rows["arm"], units, {outcome: rows[outcome]}, n_arms=n_arms),
    )
    return check_experiment(evidence, shares=None, limits=LIMITS)


def judge_mails(rows: pd.DataFrame) -> ExperimentReport:
    return judge(rows, MAILS, numeric=NUMERIC, categorical=CATEGORICAL, outcome="visit")


def verdicts(report: ExperimentReport) -> Mapping[str, str]:
    return {check.name: check.verdict for check in report.checks if check.verdict != "pass"}


@pytest.fixture(scope="module")
def mails(hillstrom: object) -> pd.DataFrame:
    """Hillstrom's log in a random order, which no file promises."""
    rows = pd.read_csv(str(hillstrom)).sample(frac=1.0, random_state=3).reset_index(drop=True)
    rows["arm"] = rows["segment"].map(MAILS.numbers())
    return rows.assign(unit=rows.index)


def test_hillstroms_mails_pass_every_check(mails: pd.DataFrame) -> None:
    report = judge_mails(mails)
    assert verdicts(report) == {}
    assert [round(effect.difference, 6) for effect in report.effects] == [0.076590, 0.045233]


def test_starbucks_promotion_passes_every_check() -> None:
    rows = pd.read_csv(real_log("starbucks_promo/training.csv.gz"))
    rows = rows.assign(arm=(rows["Promotion"] == "Yes").astype(int), unit=rows["ID"])
    names = tuple(f"V{number}" for number in range(1, 8))
    report = judge(rows, Arms(("none", "promotion")), numeric=names, outcome="purchase")
    assert verdicts(report) == {}


def test_controls_from_a_survey_are_no_experiment() -> None:
    """LaLonde's job seekers against the PSID: the classic log that was never drawn."""
    treated = pd.read_csv(real_log("lalonde_nsw/nsw_dw.csv.gz")).query("treat == 1")
    survey = pd.read_csv(real_log("lalonde_nsw/psid_controls.csv.gz"))
    survey = survey.rename(columns={"education": "educ", "hispanic": "hisp"})
    names = ("age", "educ", "black", "hisp", "nodegree")
    rows = pd.concat([treated[[*names, "treat"]], survey[[*names, "treat"]]])
    rows = rows.sample(frac=1.0, random_state=1).reset_index(drop=True)
    rows = rows.assign(arm=rows["treat"].astype(int), unit=rows.index, outcome=1.0)
    found = verdicts(judge(rows, Arms(("survey", "jobs")), numeric=names, outcome="outcome"))
    for name in ("sample_ratio", "imbalance", "two_sample"):
        assert found[name] == "fail"


def test_a_split_of_52_to_48_is_refused(mails: pd.DataFrame) -> None:
    two = mails[mails["arm"] < 2]
    lost = (two["arm"] == 1) & (np.random.default_rng(1).random(len(two)) < 1 - 48 / 52)
    report = judge(
        two[~lost].reset_index(drop=True),
        Arms(MAILS.names[:2]),
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        outcome="visit",
    )
    assert verdicts(report) == {"sample_ratio": "fail"}


def test_a_doubled_arm_is_refused(mails: pd.DataFrame) -> None:
    doubled = pd.concat([mails, mails[mails["arm"] == 2]], ignore_index=True)
    found = verdicts(judge_mails(doubled))
    assert (found["sample_ratio"], found["repeated_assignments"]) == ("fail", "warn")


def test_a_shift_in_who_was_mailed_is_refused(mails: pd.DataFrame) -> None:
    lost = (mails["arm"] == 1) & (mails["history"] < 60)
    found = verdicts(judge_mails(mails[~lost].reset_index(drop=True)))
    assert found["two_sample"] == "fail"


def test_a_feature_that_the_mail_moved_is_refused_and_named(mails: pd.DataFrame) -> None:
    leak = mails.assign(recency=np.where(mails["visit"] == 1, 0, mails["recency"]))
    report = judge_mails(leak)
    (check,) = [check for check in report.checks if check.name == "two_sample"]
    assert check.verdict == "fail"
    assert "it goes by `recency`" in check.message


def test_outcomes_lost_more_often_in_one_arm_are_refused(mails: pd.DataFrame) -> None:
    lost = (mails["arm"] == 1) & (mails["visit"] == 0) & (mails.index % 20 == 0)
    report = judge_mails(mails.assign(visit=mails["visit"].where(~lost)))
    assert verdicts(report) == {"missing_outcomes": "fail"}
