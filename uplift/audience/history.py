"""Which runs readers used, in turn: what can be rolled back to, and what may be deleted.

The order is that of publishing, never that of clocks or file times. A run enters before the pointer
moves to it, so a crash between the two leaves a run too many here, never one too few.
"""

from datetime import datetime
from pathlib import Path
from typing import cast

from uplift.audience.snapshot import (
    Snapshot,
    current,
    point_to,
    remove_run,
    run_ids,
    run_of,
)
from uplift.errors import ContractError, UpliftError
from uplift.workspace import read_document, write_document

_HISTORY = "HISTORY.json"


def history(root: Path) -> list[str]:
    """The runs that readers used and that are kept, the latest last, each once."""
    path = root / _HISTORY
    if not path.is_file():
        return []
    used = cast(list[str], read_document(path, made_by="publish_snapshot.py")["runs"])
    kept = set(run_ids(root))
    return [run_id for run_id in used if run_id in kept]


def release(root: Path, run_id: str, *, keep: int) -> list[str]:
    """Point readers to a run, and delete those that fell out of the last ``keep``.

    Args:
        root: The folder ``published``.
        run_id: A run that was placed.
        keep: Runs that stay, this one among them; the one it follows always stays, for whoever is
            reading it.

    Returns:
        The runs that were deleted.
    """
    before = _in_use(root)
    used = [known for known in history(root) if known != run_id]
    if before is not None and before != run_id:
        used = [*(known for known in used if known != before), before]
    _remember(root, [*used, run_id])
    point_to(root, run_id)
    stay = {*[*used, run_id][-keep:], run_id, before}
    gone = [known for known in run_ids(root) if known not in stay]
    for known in gone:
        remove_run(root, known)
    _remember(root, [known for known in [*used, run_id] if known in stay])
    return gone


def run_before(root: Path, to: str | None = None) -> tuple[str, str]:
    """The run that readers use, and the undamaged one to roll back to.

    Args:
        root: The folder ``published``.
        to: The run to go to; None: the one that readers used before the current.

    Raises:
        ContractError: There is no such run, or it is damaged.
    """
    now, used = current(root).run_id, history(root)
    if to is None:
        older = used[: used.index(now)] if now in used else used
        if not older:
            raise ContractError(
                f"no run that readers used before {now} is kept. Raise `publishing.keep_runs` for "
                "next time, or publish again with jobs.publish_snapshot."
            )
        to = older[-1]
    if to not in run_ids(root):
        raise ContractError(f"run {to!r} is not kept; these are: {', '.join(run_ids(root))}.")
    run_of(root, to).verify()
    return now, to


def snapshot_before(root: Path, as_of: datetime) -> Snapshot | None:
    """The run of the latest day before a moment that readers used; None at the first night."""
    runs = [run_of(root, run_id) for run_id in history(root)]
    older = [run for run in runs if run.facts.as_of < as_of]
    return max(older, key=lambda run: run.facts.as_of, default=None)


def _in_use(root: Path) -> str | None:
    """The run that readers use, if the pointer leads to one."""
    try:
        return current(root).run_id
    except UpliftError:
        return None


def _remember(root: Path, runs: list[str]) -> None:
    write_document(root / _HISTORY, {"runs": runs})
