"""The walk through a night's steps: run what must run, skip what may be skipped, keep receipts."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

from uplift.batch.memory import peak_memory
from uplift.batch.steps import Receipt, Receipts, Step, basis_of, left_by, why_run

Status = Literal["ran", "skipped", "failed", "left_out"]


@dataclass(frozen=True)
class Done:
    """What became of a step.

    Attributes:
        name: Of the step.
        status: Whether it ran, could be skipped, failed, or was not asked for.
        reason: Why it ran or failed, in words; empty otherwise.
        rows_in: Rows that went in, when it last ran.
        rows_out: Rows that came out.
        seconds: What it took tonight; 0 if it did not run.
        peak_mib: Most memory tonight; None if it did not run, or nobody can tell.
        error: What it failed with.
    """

    name: str
    status: Status
    reason: str = ""
    rows_in: int | None = None
    rows_out: int | None = None
    seconds: float = 0.0
    peak_mib: float | None = None
    error: Exception | None = None


Watch = Callable[[Step, str], AbstractContextManager[object]]
"""What goes on around a step that runs: it gets the step and why it runs."""


def walk(
    steps: Sequence[Step],
    receipts: Receipts,
    *,
    code: str,
    chosen: Collection[str],
    watch: Watch = lambda _step, _reason: nullcontext(),
) -> Iterator[Done]:
    """Take the steps in turn and tell what became of each; a failed one is the last.

    Args:
        steps: All of the night, in order.
        receipts: Of earlier nights; those of tonight go there.
        code: Digest of the sources.
        chosen: Names of the steps that were asked for.
        watch: Around each step that runs.
    """
    for step in steps:
        if step.name not in chosen:
            yield Done(step.name, "left_out")
            continue
        basis, known = basis_of(step, code=code), receipts.read(step.name)
        reason = why_run(step, basis, known)
        if reason is None and known is not None:
            yield Done(step.name, "skipped", "", known.rows_in, known.rows_out)
            continue
        start, rows_in = time.monotonic(), step.rows_in()
        with peak_memory() as peak, watch(step, reason or ""):
            try:
                step.run()
            except Exception as error:
                seconds = time.monotonic() - start
                yield Done(step.name, "failed", str(error), rows_in, None, seconds, peak.mib, error)
                return
        receipt = Receipt(
            basis=basis,
            writes=left_by(step),
            rows_in=rows_in,
            rows_out=step.rows_out(),
            seconds=round(time.monotonic() - start, 3),
            peak_mib=None if peak.mib is None else round(peak.mib, 1),
        )
        receipts.write(step.name, receipt)
        yield Done(
            step.name,
            "ran",
            reason or "",
            receipt.rows_in,
            receipt.rows_out,
            receipt.seconds,
            receipt.peak_mib,
        )


def forecast(
    steps: Sequence[Step], receipts: Receipts, *, code: str, chosen: Collection[str]
) -> Iterator[Done]:
    """What a walk would do, as far as it can be known before it: nothing runs.

    A step behind one that would run may still turn out to be skipped, if its inputs come out the
    same; it is told as running, with that reason.
    """
    made: dict[str, str] = {}
    for step in steps:
        if step.name not in chosen:
            yield Done(step.name, "left_out")
            continue
        reason = why_run(step, basis_of(step, code=code), receipts.read(step.name))
        behind = next((made[str(path)] for path in step.reads if str(path) in made), None)
        if reason is None and behind is not None:
            reason = f"unless {behind} comes out as it did before"
        if reason is None:
            yield Done(step.name, "skipped")
            continue
        made |= {str(path): step.name for path in step.writes}
        yield Done(step.name, "ran", reason)
