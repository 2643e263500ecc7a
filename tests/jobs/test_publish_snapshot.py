from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs import publish_snapshot
from tests.conftest import ROOT
from tests.serving.builders import customers, model, policy, tables, wide
from uplift.audience.snapshot import current
from uplift.config import Config, load_config
from uplift.errors import ContractError, UpliftError, VersionMismatchError
from uplift.learners.model import load_model
from uplift.online.sqlite import SqliteStore
from uplift.policy import SEGMENTS, Policy
from uplift.workspace import Workspace, read_document, write_document

pytestmark = pytest.mark.spark


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A workspace as the jobs before this one leave it."""
    workspace = Workspace(tmp_path / "coupon")
    for name, table in tables(customers()).items():
        rewrite(workspace, name, table)
    model().save(workspace.model)
    write_document(workspace.report("policy"), policy().to_document())
    conf = [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"]
    return load_config(conf, [f"workspace={workspace.root}"])


def rewrite(workspace: Workspace, name: str, table: pa.Table) -> None:
    workspace.table(name).mkdir(parents=True, exist_ok=True)
    pq.write_table(table, workspace.table(name) / "part-00000.parquet")


def test_the_run_holds_every_customer_as_scored_decided_and_looked_up(
    spark: SparkSession, config: Config
) -> None:
    publish_snapshot.run(spark, config)

    snapshot = current(Workspace(config.workspace).published)
    snapshot.verify()
    order = [("unit_id", "ascending")]
    published = pa.concat_tables([pq.read_table(path) for path in snapshot.scores])
    expected = wide(customers()).sort_by(order)
    assert published.column_names == expected.column_names
    assert published.sort_by(order).to_pylist() == expected.to_pylist()
    assert load_model(snapshot.model).version == model().version
    document = read_document(snapshot.policy, made_by="publish_snapshot")
    assert Policy.from_document(document) == policy()
    store = SqliteStore(snapshot.customers)
    for row in customers().to_pylist():
        found = store.get(row["unit_id"])
        assert found is not None
        assert found.contactable == row["contactable"]
        assert found.features.tobytes() == model().encoder.encode_one(row)[0].tobytes()
    store.close()


def test_customers_stand_by_segment_and_the_most_valuable_first(
    spark: SparkSession, config: Config
) -> None:
    publish_snapshot.run(spark, config)

    snapshot = current(Workspace(config.workspace).published)
    rows = [row for path in snapshot.scores for row in pq.read_table(path).to_pylist()]
    assert rows == sorted(
        rows, key=lambda row: (SEGMENTS.index(row["segment"]), -row["net_value_eur"])
    )


def test_the_manifest_counts_what_is_there(spark: SparkSession, config: Config) -> None:
    publish_snapshot.run(spark, config)

    facts = current(Workspace(config.workspace).published).facts
    expected = wide(customers()).to_pylist()
    assert facts.rows == {"scores": 300, "customers": 300}
    assert (facts.campaign_id, facts.as_of.isoformat()) == ("coupon", policy().as_of)
    assert {name: (size.customers, size.offers) for name, size in facts.segments.items()} == {
        segment: (
            sum(row["segment"] == segment for row in expected),
            sum(row["segment"] == segment and row["decision"] != "no_coupon" for row in expected),
        )
        for segment in SEGMENTS
    }


def test_a_rerun_converges_to_the_same_run(spark: SparkSession, config: Config) -> None:
    publish_snapshot.run(spark, config)
    first = current(Workspace(config.workspace).published)
    for name, table in tables(customers()).items():
        rewrite(Workspace(config.workspace), name, table.take(list(reversed(range(300)))))

    publish_snapshot.run(spark, config)

    assert current(Workspace(config.workspace).published) == first
    assert len(list(first.folder.parent.iterdir())) == 1


def refused(spark: SparkSession, config: Config, error: type[UpliftError], match: str) -> None:
    with pytest.raises(error, match=match):
        publish_snapshot.run(spark, config)
    assert not (Workspace(config.workspace).published / "CURRENT").exists()


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("customer_features", r"'u000' and 99 more of 300 .*customer_features 200"),
        ("customer_scores", r"'u000' and 99 more of 300 .*customer_scores 200"),
        ("decisions", r"'u000' and 99 more of 300 .*decisions 200"),
    ],
)
def test_tables_that_do_not_hold_the_same_customers_are_not_published(
    spark: SparkSession, config: Config, name: str, match: str
) -> None:
    rewrite(Workspace(config.workspace), name, tables(customers())[name].slice(100))

    refused(spark, config, ContractError, match)


def test_a_policy_priced_for_another_model_is_not_published(
    spark: SparkSession, config: Config
) -> None:
    other = replace(policy(), model_version="0" * 12)
    write_document(Workspace(config.workspace).report("policy"), other.to_document())

    refused(spark, config, VersionMismatchError, "was priced for model '000000000000'")


def test_scores_of_an_older_model_are_not_published(spark: SparkSession, config: Config) -> None:
    scores = tables(customers())["customer_scores"]
    place = scores.column_names.index("model_version")
    older = scores.set_column(place, "model_version", pa.array(["0" * 12] * 300))
    rewrite(Workspace(config.workspace), "customer_scores", older)

    refused(spark, config, VersionMismatchError, "were made by model '000000000000'")


def test_scores_of_another_night_than_the_policy_are_not_published(
    spark: SparkSession, config: Config
) -> None:
    scores = tables(customers())["customer_scores"]
    day = pc.add(scores["as_of"], pa.scalar(86_400_000_000, pa.duration("us")))
    rewrite(Workspace(config.workspace), "customer_scores", scores.set_column(1, "as_of", day))

    refused(spark, config, VersionMismatchError, "scores are as of 2026-06-02T00:00:00")


def test_a_policy_of_another_campaign_is_not_published(spark: SparkSession, config: Config) -> None:
    other = replace(policy(), campaign_id="spring")
    write_document(Workspace(config.workspace).report("policy"), other.to_document())

    refused(spark, config, VersionMismatchError, "of campaign 'spring', the config of 'coupon'")


def test_a_missing_table_names_the_job_that_makes_it(
    spark: SparkSession, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = ["--config", str(ROOT / "conf/base.yaml")]
    conf += ["--config", str(ROOT / "conf/campaigns/coupon.yaml")]

    status = publish_snapshot.main([*conf, "--set", f"workspace={config.workspace / 'nowhere'}"])

    assert status == 2
    assert "error: table" in capsys.readouterr().err
