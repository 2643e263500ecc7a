"""Judge the challenger by held-out rows, and let it serve if it proves itself.

Reads the table ``training_set``, the challenger from MLflow, and what jobs/train_model left beside
it: tests on training rows (report ``training``), the response model and two refits (folder
``companions``). Writes the reports ``evaluation`` (JSON and a page) and ``promotion``, adds them to
the challenger's run, and leaves the champion in the workspace's folder ``model``. What a challenger
must show stands in ``uplift/evaluation/gate.py``. If it is refused and there is no champion to
stay, the averages of the arms are registered as a model and serve: with them everybody gets the
best constant policy.

    spark-submit jobs/evaluate_model.py --config conf/base.yaml --config FILE

Next: jobs/build_customer_features.py
"""

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import train_model
from jobs.build_training_set import TRAINING_SET
from uplift import columns
from uplift.config import Config
from uplift.errors import VersionMismatchError
from uplift.evaluation.evidence import earlier_tests, gather_evidence
from uplift.evaluation.figures import qini_figure, uplift_by_bin_figure
from uplift.evaluation.gate import Verdict, judge
from uplift.evaluation.judgement import judgement
from uplift.evaluation.page import render_evaluation
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.report import evaluate
from uplift.evaluation.story import Story
from uplift.experiment.split import TEST
from uplift.learners.companions import load_companions
from uplift.learners.data import TrainingData
from uplift.learners.meta import fit_constant
from uplift.learners.model import UpliftModel
from uplift.logs import event
from uplift.policy import value_rule
from uplift.spark.door import run_job
from uplift.spark.fingerprint import Fingerprint, fingerprint
from uplift.spark.held_out import held_out_sums
from uplift.spark.ranked_sums import ranked_sums
from uplift.spark.tables import read_table
from uplift.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    RegisteredVersion,
    fetch_model,
    promote,
    require_version_at,
    version_at,
)
from uplift.tracking.runs import Figure, Findings, log_findings, numbers_in
from uplift.tracking.store import TrackingStore, open_store
from uplift.workspace import Workspace, read_document, write_document, write_text

log = logging.getLogger(__name__)

MODEL = "model"  # the challenger's policy, as the report calls it
AVERAGES = "averages"  # the learner that knows no customer, only arms


@dataclass(frozen=True)
class Candidate:
    """A model and its place in the registry."""

    model: UpliftModel
    version: RegisteredVersion

    @property
    def is_averages(self) -> bool:
        """Whether it answers the same for everybody."""
        return self.model.metadata["learner"] == AVERAGES


def run(spark: SparkSession, config: Config) -> None:
    """Read, judge, decide who serves, write."""
    start = time.monotonic()
    workspace = Workspace(config.workspace)
    path = workspace.table(TRAINING_SET)
    table = read_table(spark, path, made_by="build_training_set")
    store = open_store(config.tracking, workspace)
    challenger = fetch(store, require_version_at(store, CHALLENGER))
    found = fingerprint(table)
    require_held_out(challenger.model, found, config)
    champion = usable_champion(store, table, config)

    rivals: dict[str, UpliftModel] = {CHAMPION: champion.model} if champion else {}
    beside = load_companions(workspace, challenger.model)
    found_out = held_out_sums(
        table.where(F.col(columns.SPLIT) == TEST),
        {**rivals, MODEL: challenger.model},
        ranked=MODEL,
        response=beside.response,
        halves=beside.halves,
        arms=config.campaign.arms,
        value=value_rule(config.campaign),
        how=config.evaluation,
    )
    evidence = gather_evidence(
        config.campaign.arms,
        found_out.rankings,
        found_out.policies,
        whole_log(table, config),
        challenger=MODEL,
        earlier=earlier_tests(
            read_document(workspace.report("training"), made_by="train_model"),
            challenger.model.version,
        ),
        halves=found_out.sample.halves,
        rules=config.evaluation.gate,
        level=config.evaluation.level,
    )
    answer = judge(evidence, rules=config.evaluation.gate, level=config.evaluation.level)
    if answer.promoted:
        promote(store, challenger.version)
        serving = challenger
    else:
        serving = champion or averages(store, table, found, config)

    promotion = promotion_report(challenger, serving, answer)
    story = Story(
        arms=config.campaign.arms,
        rankings=found_out.rankings,
        by_response=found_out.by_response,
        policies=found_out.policies,
        evidence=evidence,
        verdict=answer,
        effects=found_out.sample.effects,
        expected=found_out.sample.expected,
        challenger=MODEL,
        model=f"{challenger.model.version} ({challenger.model.metadata['learner']})",
        consequence=str(promotion["consequence"]),
        share=config.evaluation.budget_share,
        level=config.evaluation.level,
    )
    evaluation = evaluation_report(story, challenger.model, config)
    page = render_evaluation(story)
    serving.model.save(workspace.model)
    write_document(workspace.report("evaluation"), evaluation)
    write_document(workspace.report("promotion"), promotion)
    write_text(workspace.page("evaluation"), page)
    findings = Findings(
        metrics=dict(numbers_in(evaluation)),
        figures=figures(found_out.rankings, config),
        documents={"evaluation.json": evaluation, "promotion.json": promotion},
        pages={"evaluation.html": page},
    )
    version = challenger.version
    log_findings(store, findings, run_id=version.run_id, model_id=version.model_id)
    event(
        log,
        "champion.chosen",
        level=logging.INFO if answer.promoted else logging.WARNING,
        promoted=answer.promoted,
        challenger=challenger.model.version,
        champion=serving.model.version,
        learner=serving.model.metadata["learner"],
        reasons=list(answer.reasons),
        seconds=round(time.monotonic() - start, 1),
    )


def fetch(store: TrackingStore, version: RegisteredVersion) -> Candidate:
    """A registered model, downloaded."""
    return Candidate(fetch_model(store, version), version)


def require_held_out(model: UpliftModel, found: Fingerprint, config: Config) -> None:
    """Refuse to judge a model by rows it may have learned from, or for other arms."""
    learned_from = model.metadata[TRAINING_SET]
    if learned_from != found.digest:
        raise VersionMismatchError(
            f"the challenger {model.version} learned from a training_set with fingerprint "
            f"{learned_from}, the table now has {found.digest} ({found.n_rows} rows): what is "
            "held out now may have taught it. Run jobs/train_model again."
        )
    if model.arms != config.campaign.arms:
        raise VersionMismatchError(
            f"the challenger {model.version} has arms {list(model.arms.names)}, the campaign "
            f"{list(config.campaign.arms.names)}. Run jobs/train_model again."
        )


def usable_champion(store: TrackingStore, table: DataFrame, config: Config) -> Candidate | None:
    """The champion, if there is one and it answers for these arms from these features."""
    version = version_at(store, CHAMPION)
    if version is None:
        return None
    champion = fetch(store, version)
    lacking = sorted(set(champion.model.encoder.names).difference(table.columns))
    if champion.model.arms == config.campaign.arms and not lacking:
        return champion
    event(
        log,
        "champion.outdated",
        level=logging.WARNING,
        champion=champion.model.version,
        arms=list(champion.model.arms.names),
        features_lacking=lacking,
    )
    return None


def whole_log(table: DataFrame, config: Config) -> RankedSums:
    """All rows in one block: what they say on average, no model has touched."""
    [sums] = ranked_sums(
        table,
        [F.lit(0.0)],
        outcome=columns.CONVERSION,
        n_arms=len(config.campaign.arms.names),
        replicates=config.evaluation.replicates,
        seed=config.evaluation.seed,
        max_blocks=1,
    )
    return sums


def averages(
    store: TrackingStore, table: DataFrame, found: Fingerprint, config: Config
) -> Candidate:
    """Register the average outcome of every arm as a model, and make it the champion."""
    rows = train_model.rows_to_learn_from(table, config)
    arms = config.campaign.arms
    ensembles = {
        outcome: fit_constant(
            TrainingData(rows.features, rows.arm, values, rows.propensity), len(arms.names)
        )
        for outcome, values in rows.outcomes.items()
    }
    metadata = {"learner": AVERAGES, TRAINING_SET: found.digest}
    model = UpliftModel(arms, rows.encoder, ensembles, metadata)
    version = train_model.enter(store, model, rows, found, config, alias=CHAMPION)
    return Candidate(model, version)


def evaluation_report(story: Story, challenger: UpliftModel, config: Config) -> dict[str, object]:
    """The report ``evaluation``: rankings by conversion, policies by euro net of costs."""
    return {
        **evaluate(
            story.arms,
            story.rankings,
            story.policies,
            outcome=columns.CONVERSION,
            level=config.evaluation.level,
        ),
        **judgement(story),
        "policy_outcome": "margin less costs, euro per unit",
        columns.MODEL_VERSION: challenger.version,
    }


def figures(rankings: Sequence[RankedSums], config: Config) -> dict[str, Figure]:
    """What people look at first."""
    arms, level = config.campaign.arms, config.evaluation.level
    return {
        "qini.png": qini_figure(arms, rankings, outcome=columns.CONVERSION, level=level),
        "uplift_by_bin.png": uplift_by_bin_figure(
            arms, rankings, outcome=columns.CONVERSION, level=level
        ),
    }


def promotion_report(
    challenger: Candidate, serving: Candidate, answer: Verdict
) -> dict[str, object]:
    """Who serves from now on, and why."""
    if answer.promoted:
        consequence = f"It serves as champion, version {serving.model.version}."
    elif serving.is_averages:
        consequence = (
            "The averages of the arms serve instead: everybody gets the best constant policy."
        )
    else:
        consequence = f"The champion {serving.model.version} stays."
    return {
        "promoted": answer.promoted,
        "reasons": [*answer.reasons, *([] if answer.promoted else [consequence])],
        "consequence": consequence,
        "serves_averages": serving.is_averages,
        columns.MODEL_VERSION: serving.model.version,
        "registered_version": serving.version.number,
        "challenger_model_version": challenger.model.version,
        "challenger_registered_version": challenger.version.number,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
