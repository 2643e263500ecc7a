import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import read_experiment
from tests.features.builders import CONF, assert_one_sentence, assignments, write_raw_log
from uplift.workspace import Workspace, write_document

pytestmark = pytest.mark.spark

HEADER = "segment,visit,spend,recency,zip_code"
ROWS = (
    "No E-Mail,0,0,10,Urban",
    "Mens E-Mail,1,9.5,3,Rural",
    "Womens E-Mail,0,0,4,Urban",
    "No E-Mail,0,0,10,Urban",
)
TWO_FEATURES = (
    "features.static=[{name: recency, kind: numeric}, {name: zip_code, kind: categorical}]"
)


@pytest.fixture
def workspace(tmp_path: Path, spark) -> Path:
    return tmp_path / "workspace"


def read_flat_log(workspace: Path, *options: str, log: str | None = None) -> int:
    path = workspace.parent / "log.csv"
    if log is not None:
        path.write_text(log + "\n", encoding="utf-8")
    given = [] if "--log" in options or log is None else ["--log", str(path)]
    return read_experiment.main(
        [
            *("--config", str(CONF / "base.yaml")),
            *("--config", str(CONF / "examples/hillstrom.yaml")),
            *("--set", f"workspace={workspace}", "--set", TWO_FEATURES),
            *given,
            *options,
        ]
    )


def lines(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows])


def units(workspace: Path) -> list[dict[str, object]]:
    rows = pq.read_table(workspace / "tables/experiment_units").to_pylist()
    return sorted(rows, key=lambda row: row["unit_id"])


def test_a_flat_log_becomes_units_one_for_every_row(workspace):
    assert read_flat_log(workspace, log=lines(*ROWS)) == 0
    rows = units(workspace)
    assert [row["unit_id"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["arm"] for row in rows] == [0, 1, 2, 0]
    assert [row["revenue"] for row in rows] == [0.0, 9.5, 0.0, 0.0]


@pytest.mark.parametrize(
    ("log", "culprit", "extent", "way_out"),
    [
        (lines(), "log.csv is empty", "0 rows", "`inputs`"),
        ("", "log.csv is empty", "no column at all", "Check how the file was written"),
        (
            lines(*ROWS, header=HEADER.replace("zip_code", "zip.code")),
            "`zip_code` (is it `zip.code`?)",
            "lacks 1 of 5 columns",
            "`features`",
        ),
        (lines(*ROWS, "Catalogue,0,0,1,Urban"), "'Catalogue'", "1 of 5 rows", "ignore_arms"),
        (lines(*ROWS, "No E-Mail,2,0,1,Urban"), "such as '2.0'", "1 of 5 rows", "`inputs`"),
        (lines(*ROWS, "No E-Mail,,0,1,Urban"), "such as 'null'", "1 of 5 rows", "`inputs`"),
        (lines(*ROWS, "No E-Mail,0,lots,1,Urban"), "'lots'", "1 of 5 rows", "Correct"),
        (lines(*ROWS, "No E-Mail,0,,1,Urban"), "revenue is null", "1 of 5 rows", "Write 0"),
        (lines(ROWS[0], ROWS[3]), "'Mens E-Mail'", "2 of the campaign's 3 arms", "campaign"),
        (
            lines(*[row.rsplit(",", 1)[0] + "," for row in ROWS]),
            "'zip_code'",
            "1 of 2 features have no value in any of the 4 rows",
            "`features`",
        ),
    ],
    ids=[
        "no rows",
        "no bytes",
        "missing column",
        "unknown arm",
        "non-binary conversion",
        "null conversion",
        "text for a number",
        "patchy revenue",
        "one arm",
        "feature all null",
    ],
)
def test_a_bad_flat_log_gets_one_sentence_and_status_2(
    workspace, capsys, log, culprit, extent, way_out
):
    assert read_flat_log(workspace, log=log) == 2
    assert_one_sentence(capsys.readouterr().err, culprit, extent, way_out)
    assert not (workspace / "tables/experiment_units").exists()


def test_a_missing_file_gets_one_sentence_and_status_2(workspace, capsys):
    assert read_flat_log(workspace, "--log", "/nowhere/log.csv") == 2
    error = capsys.readouterr().err
    assert_one_sentence(error, "/nowhere/log.csv", "does not exist", "`inputs.flat_log.path`")


def test_no_log_at_all_names_the_option_and_the_variable(workspace, capsys, monkeypatch):
    monkeypatch.delenv("UPLIFT_LOG", raising=False)
    assert read_flat_log(workspace) == 2
    assert_one_sentence(capsys.readouterr().err, "`inputs.flat_log.path`", "--log", "UPLIFT_LOG")


def test_a_unit_column_that_repeats_is_refused(workspace, capsys):
    by_zip = "inputs.flat_log.unit_id=zip_code"
    assert read_flat_log(workspace, "--set", by_zip, log=lines(*ROWS)) == 2
    error = capsys.readouterr().err
    assert_one_sentence(
        error, "`unit_id`", "contradict each other in 3 of 4 rows, such as 'Urban'", "Keep one"
    )


def test_a_bad_row_among_a_thousand_is_set_aside_and_the_others_are_read(workspace):
    log = lines(*ROWS * 250, "No E-Mail,0,lots,1,Urban")
    assert read_flat_log(workspace, log=log) == 0
    assert len(units(workspace)) == 1000
    (row,) = pq.read_table(workspace / "tables/quarantine/flat_log").to_pylist()
    assert row["reason"] == "`spend` is not a number: lots"
    contracts = json.loads((workspace / "reports/contracts.json").read_text())
    assert (contracts["flat_log"]["read"], contracts["flat_log"]["set_aside"]) == (1001, 1)


def read_raw_log(workspace: Path, *options: str, **changes: pa.Table) -> int:
    campaign = write_raw_log(workspace.parent / "raw", **changes)
    return read_experiment.main(
        ["--config", str(CONF / "base.yaml"), "--config", str(campaign), *options]
    )


def test_a_raw_log_becomes_a_row_for_every_unit(workspace):
    assert read_raw_log(workspace) == 0
    rows = units(workspace)
    assert [row["arm"] for row in rows] == [0, 1, 2, 0, 1, 2]
    assert [row["conversion"] for row in rows] == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert [row["revenue"] for row in rows] == [6.0, 7.0, 8.0, 0.0, 0.0, 0.0]
    assert [row["purchase_sum_30d"] for row in rows] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert [row["age"] for row in rows] == [30.0, 40.0, None, 50.0, 60.0, 70.0]


def test_the_verdict_about_older_rows_is_forgotten(workspace):
    report = Workspace(workspace).report("experiment")
    write_document(report, {"verdict": "pass"})
    assert read_raw_log(workspace) == 0
    assert not report.exists()


def test_the_same_log_gives_the_same_bytes(workspace):
    def digests() -> list[str]:
        files = sorted((workspace / "tables/experiment_units").glob("*"))
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]

    assert read_raw_log(workspace) == 0
    first = digests()
    campaign = str(workspace.parent / "raw/campaign.yaml")
    options = ["--config", str(CONF / "base.yaml"), "--config", campaign]
    assert read_experiment.main(options) == 0
    assert digests() == first


TWO_ARMS = assignments("no_coupon", "coupon_5")
GIFT = assignments("no_coupon", "gift", "bonus")
REPEATED = pa.table({"unit_id": ["u0", "u0", "u1"], "age": [30, 31, 40]})
ALL_NULL = pa.table({"unit_id": ["u0", "u1"], "age": pa.array([None, None], pa.int64())})


@pytest.mark.parametrize(
    ("options", "changes", "parts"),
    [
        (["campaign.id=spring"], {}, ("'spring'", "['coupon']", "`campaign.id`")),
        ([], {"assignments": TWO_ARMS}, ("no row of 1 of", "'coupon_10'", "`campaign.treatments`")),
        (["campaign.ignore_arms=[gift]"], {"assignments": GIFT}, ("'bonus'", "1 of 3 rows")),
        (["campaign.outcome_event=bought"], {}, ("['bought']", "12 rows", "outcome_event")),
        ([], {"customers": REPEATED}, ("other in 2 of 3 rows", "'u0'", "Keep one")),
        ([], {"customers": ALL_NULL}, ("1 of 3 features", "6 rows", "'age'")),
    ],
    ids=[
        "no such experiment",
        "arm lost",
        "arm unknown",
        "event type unknown",
        "customer twice",
        "all null",
    ],
)
def test_a_bad_raw_log_gets_one_sentence_and_status_2(workspace, capsys, options, changes, parts):
    overrides = [part for option in options for part in ("--set", option)]
    assert read_raw_log(workspace, *overrides, **changes) == 2
    assert_one_sentence(capsys.readouterr().err, *parts)
    assert not (workspace / "tables/experiment_units").exists()
