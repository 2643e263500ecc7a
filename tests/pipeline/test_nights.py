"""Nights of one small campaign, in the order in which they happen."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from jobs import roll_back
from tests.online.test_redis_store import URL, campaign, client  # noqa: F401 - fixtures
from tests.pipeline.builders import N, Nights
from uplift.audience.snapshot import current
from uplift.batch.digests import content_digest
from uplift.online.redis_client import connect
from uplift.online.redis_store import RedisStore
from uplift.online.redis_versions import RedisVersions
from uplift.online.sqlite import SqliteStore
from uplift.workspace import Workspace, read_document

pytestmark = pytest.mark.spark


def report(workspace: Workspace) -> dict[str, object]:
    return read_document(workspace.report("night"), made_by="nightly")


def statuses(workspace: Workspace) -> dict[str, str]:
    return {step["name"]: step["status"] for step in report(workspace)["steps"]}  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def nights(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """The first night is over."""
    nights = Nights(tmp_path_factory.mktemp("nights"))
    assert nights.night() == 0
    return nights


def test_the_first_night_publishes_everybody_and_tells(nights: Nights) -> None:
    workspace = nights.workspace
    run = current(workspace.published)
    run.verify()
    assert run.facts.rows == {"scores": N, "customers": N}
    document = report(workspace)
    assert document["status"] == "finished"
    assert set(statuses(workspace).values()) == {"ran"}
    rows = {step["name"]: (step["rows_in"], step["rows_out"]) for step in document["steps"]}  # type: ignore[attr-defined]
    assert rows["score_customers"] == rows["assign_coupons"] == rows["publish_snapshot"] == (N, N)
    assert workspace.report("nights/2026-06-01").is_file()
    assert "uplift_stability_index" in workspace.metrics("monitoring").read_text()
    assert len(list(workspace.exports.glob("*/persuadable-*.csv"))) == 1


def test_the_same_night_again_does_nothing_and_a_broken_table_only_what_is_needed(
    nights: Nights,
) -> None:
    workspace = nights.workspace
    before = content_digest(workspace.published)
    assert nights.night() == 0
    assert report(workspace)["status"] == "unchanged"
    scores = next(workspace.table("customer_scores").glob("*.parquet"))
    broken = bytearray(scores.read_bytes())
    broken[len(broken) // 2] ^= 1
    scores.write_bytes(broken)

    assert nights.night() == 0

    ran = [name for name, status in statuses(workspace).items() if status == "ran"]
    assert ran == ["score_customers"]
    assert content_digest(workspace.published) == before


def test_a_night_unlike_the_others_is_not_published_unless_somebody_answers(
    nights: Nights, capfd: pytest.CaptureFixture[str]
) -> None:
    workspace = nights.workspace
    before = current(workspace.published).run_id

    def without_ages(table: pa.Table) -> pa.Table:
        ages = pa.array([None if i % 2 else a for i, a in enumerate(table["age"].to_pylist())])
        return table.set_column(1, "age", ages)

    nights.write_log(without_ages)
    try:
        assert nights.night("--run-date=2026-06-02") == 2
        assert "`age` is missing for" in capfd.readouterr().err
        assert current(workspace.published).run_id == before
        assert report(workspace)["status"] == "failed"
        assert nights.night("--run-date=2026-06-02", "--from=publish_snapshot") == 2
        assert current(workspace.published).run_id == before
        answer = "--set=monitoring.override_failed_verdict_by=Jane Doe"
        assert nights.night("--run-date=2026-06-02", answer) == 0
    finally:
        nights.write_log()
    assert current(workspace.published).run_id != before
    checks = report(workspace)["monitoring"]["checks"]  # type: ignore[index]
    assert "Jane Doe" in [check["overridden_by"] for check in checks]
    moved = json.dumps(report(workspace)["monitoring"]["migration"])  # type: ignore[index]
    assert '"absent": 0' in moved


def test_a_backfill_points_nobody_back_and_a_roll_back_stays(nights: Nights) -> None:
    workspace = nights.workspace
    latest = current(workspace.published).run_id

    assert nights.night("--run-date=2026-05-01") == 0
    assert current(workspace.published).run_id == latest
    # the night before was unlike the others, so this one, which is not, moves many back
    answer = "--set=monitoring.override_failed_verdict_by=Jane Doe"
    assert nights.night("--run-date=2026-06-03", answer) == 0
    newest = current(workspace.published).run_id
    assert roll_back.main(nights.options()) == 0
    assert current(workspace.published).run_id == latest
    assert nights.night("--run-date=2026-06-03", answer) == 0

    assert current(workspace.published).run_id == latest != newest


def test_redis_holds_what_the_file_holds_and_is_loaded_again_when_it_lost_it(
    spark: object,
    client,  # noqa: F811
    campaign: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    nights = Nights(tmp_path, campaign)
    options = ("--set=online.store=redis", f"--set=online.redis.url={URL}")
    assert nights.night(*options) == 0
    run = current(nights.workspace.published)
    store, file = (
        RedisStore(connect(URL, timeout_seconds=2), campaign, run.run_id),
        SqliteStore(run.customers),
    )
    assert sorted(row[0] for row in file.rows()) == sorted(f"u{i:03d}" for i in range(N))
    for unit_id, contactable, features in file.rows():
        found = store.get(unit_id)
        assert found is not None
        assert (found.contactable, found.features.tobytes()) == (contactable, features)
    store.close()
    file.close()
    for key in client.scan_iter(f"uplift:{campaign}:{run.run_id}:*"):
        client.delete(key)

    assert nights.night(*options) == 0

    assert statuses(nights.workspace)["load_online_store"] == "ran"
    assert statuses(nights.workspace)["publish_snapshot"] == "skipped"
    versions = RedisVersions(client, campaign)
    assert versions.count(run.run_id, versions.known()[run.run_id]) == N
