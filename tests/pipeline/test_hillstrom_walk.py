"""The walk on a real log, through the config that a user with such a file would copy."""

import pytest

from jobs import check_experiment, print_summary, read_experiment
from tests.pipeline.conftest import HILLSTROM, Walk
from uplift.audience.snapshot import current
from uplift.workspace import Workspace, read_document

pytestmark = pytest.mark.spark

# Mean outcome minus that of "No E-Mail", and its Welch standard error, as published.
VISIT = {"Mens E-Mail": (".076590", ".003386"), "Womens E-Mail": (".045233", ".003234")}
SPEND = {"Mens E-Mail": (".769827", ".145247"), "Womens E-Mail": (".424412", ".130333")}
CONVERSION = {"Mens E-Mail": (".006805", ".000921"), "Womens E-Mail": (".003111", ".000823")}


def effects(walk: Walk, outcome: str) -> dict[str, tuple[str, str]]:
    report = Workspace(walk.config.workspace).report("experiment")
    [document] = read_document(report, made_by="check_experiment")["experiments"]
    return {
        effect["arm"]: tuple(
            f"{effect[key]:.6f}".removeprefix("0") for key in ("difference", "standard_error")
        )
        for effect in document["effects"]
        if effect["outcome"] == outcome
    }


def test_visits_and_spend_have_the_published_effects_to_all_printed_digits(hillstrom_walk):
    assert effects(hillstrom_walk, "conversion") == VISIT
    assert effects(hillstrom_walk, "revenue") == SPEND


def test_conversions_have_the_published_effects_too(spark, hillstrom, tmp_path):
    path = f"inputs.flat_log.path={hillstrom}"
    walk = Walk(tmp_path, HILLSTROM, [path, "inputs.flat_log.conversion=conversion"])
    assert read_experiment.main(walk.argv) == check_experiment.main(walk.argv) == 0
    assert effects(walk, "conversion") == CONVERSION


def test_the_walk_ends_in_a_published_run_of_every_customer(hillstrom_walk):
    snapshot = current(Workspace(hillstrom_walk.config.workspace).published)
    snapshot.verify()
    assert set(snapshot.facts.rows.values()) == {64_000}


def test_the_summary_needs_no_truth(hillstrom_walk, capsys):
    assert print_summary.main(hillstrom_walk.argv) == 0
    text = capsys.readouterr().out
    assert "Mens E-Mail" in text
    assert "truth" not in text
