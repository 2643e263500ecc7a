"""Nights that are killed at random moments, and a reader who looks on.

    python -m tests.faults.builders randomly FOLDER KILLS
    python -m tests.faults.builders everywhere FOLDER KILLS

It walks the small campaign's nights with the real steps, receipts, lock, publishing and retention,
but without Spark, in forked children that it kills; a forked reader polls all the while. At the end
stdout has one JSON document. Its own process, because a fork wants no threads.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.serving.builders import ARMS, AS_OF, customers, model, policy, wide
from uplift.audience.history import release
from uplift.audience.manifest import Facts, SegmentSize
from uplift.audience.snapshot import current, place, publishing, staging_folder
from uplift.batch.digests import content_digest
from uplift.batch.lock import only_one
from uplift.batch.steps import Receipts, Step
from uplift.batch.walk import walk
from uplift.online.sqlite import SqliteStore, build_store
from uplift.policy import SEGMENTS
from uplift.workspace import Workspace, read_document, write_document

KEEP = 2
_CHANGES = {
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.symlink",
    "sqlite3.connect",
}
STEPS = ("features", "publish", "point")


def steps(workspace: Workspace, day: int) -> tuple[Step, ...]:
    """A night in three steps: features, the run in its place, the pointer."""
    features, snapshot = workspace.table("customer_features"), workspace.report("snapshot")

    def write_features() -> None:
        features.mkdir(parents=True, exist_ok=True)
        pq.write_table(customers(300 + 10 * day), features / "part-00000.parquet")

    def publish() -> None:
        table = pq.read_table(features / "part-00000.parquet")
        with staging_folder(workspace.published) as folder:
            run = place(workspace.published, folder, fill(folder, table, day))
        write_document(snapshot, {"run_id": run.run_id})

    def point() -> None:
        run_id = str(read_document(snapshot, made_by="publish")["run_id"])
        with publishing(workspace.published):
            release(workspace.published, run_id, keep=KEEP)

    def holds() -> bool:
        run_id = read_document(snapshot, made_by="publish")["run_id"]
        return current(workspace.published).run_id == run_id

    def settings() -> dict[str, object]:
        return {"day": day}

    return (
        Step("features", write_features, settings, writes=(features,)),
        Step("publish", publish, settings, reads=(features,), writes=(snapshot,)),
        Step("point", point, settings, reads=(snapshot,), holds=holds),
    )


def fill(folder: Path, features: pa.Table, day: int) -> Facts:
    """The files of a run."""
    published, sizes = wide(features), {}
    (folder / "scores").mkdir()
    for number, segment in enumerate(SEGMENTS):
        rows = published.filter(pa.compute.equal(published["segment"], segment))
        offers = sum(name != ARMS.names[0] for name in rows["decision"].to_pylist())
        sizes[segment] = SegmentSize(rows.num_rows, offers)
        pq.write_table(rows, folder / "scores" / f"part-{number:05d}.parquet")
    n = build_store(folder / "customers.sqlite", features.to_batches(), model().encoder)
    model().save(folder / "model")
    write_document(folder / "policy.json", replace(policy(), salt=f"day-{day}").to_document())
    return Facts(
        campaign_id="coupon",
        as_of=AS_OF + timedelta(days=day),
        model_version=model().version,
        policy_version=policy().version,
        arms=ARMS.names,
        rows={"scores": n, "customers": n},
        columns={field.name: str(field.type) for field in published.schema},
        segments=sizes,
    )


def night(workspace: Workspace, day: int) -> None:
    """One night; raises what its step raises."""
    receipts = Receipts(workspace.root / "receipts")
    with only_one(workspace.root / ".lock", {}):
        for step in walk(steps(workspace, day), receipts, code="1", chosen=STEPS):
            if step.error is not None:
                raise step.error


def look(published: Path) -> str | None:
    """What is wrong with what readers see now; None if nothing is."""
    snapshot = current(published)
    sizes = sum(size.customers for size in snapshot.facts.segments.values())
    rows = sum(pq.read_metadata(path).num_rows for path in snapshot.scores)
    store = SqliteStore(snapshot.customers)
    found = store.get("u000")
    store.close()
    if not rows == sizes == snapshot.facts.rows["scores"] or found is None:
        return f"run {snapshot.run_id} has {rows} rows, {sizes} in segments, u000 {found}"
    return None


def forked(act: Callable[[], None]) -> int:
    """The id of a child that does this and ends with 0, or 1 after an exception."""
    pid = os.fork()
    if pid:
        return pid
    try:
        act()
    except BaseException as error:
        sys.stderr.write(f"{error!r}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def poll(published: Path, end: Path) -> None:
    """Look until told to end; raise at the first thing wrong."""
    looks = 0
    while not end.exists():
        trouble = look(published)
        if trouble:
            raise AssertionError(trouble)
        looks += 1
    end.with_suffix(".looks").write_text(str(looks))


def events_of(act: Callable[[], None], *, kill_at: int | None = None) -> Callable[[], None]:
    """Do this, and count what it asks of the file system; die just before one of these requests."""

    def counted() -> None:
        seen = 0

        def hear(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            if event not in _CHANGES or (event == "open" and "r" in str(arguments[1])):
                return
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hear)
        act()
        if kill_at is None:
            sys.stdout.write(str(seen))
            sys.stdout.flush()

    return counted


def kill_everywhere(folder: Path, most: int) -> dict[str, object]:
    """Kill the second night before each of its changes (about ``most`` of them) and finish it."""
    first, calm = Workspace(folder / "first"), Workspace(folder / "calm")
    night(first, 0)
    shutil.copytree(first.root, calm.root)
    reading, writing = os.pipe()
    child = forked(lambda: (os.dup2(writing, 1), events_of(lambda: night(calm, 1))())[1])
    os.waitpid(child, 0)
    n_events = int(os.read(reading, 20))
    amiss = []
    points = range(1, n_events + 1, max(1, n_events // most))
    for point in points:
        workspace = Workspace(folder / f"killed-{point}")
        shutil.copytree(first.root, workspace.root)
        child = forked(events_of(lambda w=workspace: night(w, 1), kill_at=point))  # type: ignore[misc]
        was_killed = os.waitpid(child, 0)[1] == signal.SIGKILL
        trouble = look(workspace.published)
        night(workspace, 1)
        is_same = content_digest(workspace.published) == content_digest(calm.published)
        if trouble or not is_same or not was_killed:
            amiss.append({"point": point, "trouble": trouble, "same_bytes": is_same})
        shutil.rmtree(workspace.root)
    return {"events": n_events, "points": len(points), "amiss": amiss}


def kill_nights(folder: Path, kills: int) -> dict[str, object]:
    """Kill so many nights, finish each in the end, and compare with undisturbed ones."""
    chance = random.Random(7)
    disturbed, calm = Workspace(folder / "disturbed"), Workspace(folder / "calm")
    night(disturbed, 0)
    start = time.monotonic()
    night(calm, 0)
    usual = time.monotonic() - start
    reader = forked(lambda: poll(disturbed.published, folder / "end"))
    day = killed = 0
    while killed < kills:
        day += 1
        for _ in range(4):
            child = forked(lambda day=day: night(disturbed, day))  # type: ignore[misc]
            time.sleep(chance.uniform(0.0, 1.2 * usual))
            os.kill(child, signal.SIGKILL)
            killed += os.waitpid(child, 0)[1] == signal.SIGKILL
        night(disturbed, day)
        night(calm, day)
    (folder / "end").touch()
    reader_status = os.waitpid(reader, 0)[1]
    return {
        "kills": killed,
        "nights": day + 1,
        "reader_status": reader_status,
        "looks": int((folder / "end.looks").read_text()) if reader_status == 0 else 0,
        "same_bytes": content_digest(disturbed.published) == content_digest(calm.published),
        "runs": len(list((disturbed.published / "runs").iterdir())),
        "strays": [path.name for path in disturbed.published.glob(".staging/*")],
    }


if __name__ == "__main__":
    where, number = Path(sys.argv[2]), int(sys.argv[3])
    how = {"everywhere": kill_everywhere, "randomly": kill_nights}[sys.argv[1]]
    result = how(where, number)
    sys.stdout.write(json.dumps(result))
