"""How the tasks of a barrier stage end a step together, whatever happened to some of them."""

import json
import threading
from collections.abc import Callable

from pyspark import BarrierTaskContext

from uplift import errors
from uplift.errors import PeerLostError, UpliftError


def agreed(
    context: BarrierTaskContext, attempt: Callable[[], str], *, timeout_s: float
) -> list[str]:
    """Make an attempt in every task; what all of them answered, in the order of tasks.

    A mistake that one task finds is raised in all of them, so that it is told once, as what it is,
    and no task waits for those that found it. What is no ``UpliftError`` fails the task, and with
    it the stage; Spark then runs all tasks again.

    Args:
        context: Of this task.
        attempt: What is done; it must leave nobody waiting when it raises.
        timeout_s: How long tasks may need longer than this one.

    Raises:
        UpliftError: What the first task that found a mistake said.
        PeerLostError: No mistake was found, but a task is gone, or silent.
    """
    try:
        said = {"answer": attempt()}
    except PeerLostError as lost:
        if lost.is_silent:
            raise  # who is silent would not come to an agreement either
        said = {"lost": str(lost)}
    except UpliftError as mistake:
        said = {"mistake": type(mistake).__name__, "why": str(mistake)}
    heard = [json.loads(text) for text in _all_gather(context, json.dumps(said), timeout_s)]
    for other in heard:
        if "mistake" in other:
            raise mistake_of(other["mistake"], other["why"])
    for other in heard:
        if "lost" in other:
            raise PeerLostError(other["lost"])
    return [other["answer"] for other in heard]


def mistake_of(kind: str, why: str) -> UpliftError:
    """The error that another process raised."""
    error: UpliftError = getattr(errors, kind, UpliftError)(why)
    return error


def _all_gather(context: BarrierTaskContext, message: str, timeout_s: float) -> list[str]:
    """Spark's own all-gather, but not for ever: it waits for tasks that are stopped, too."""
    heard: list[str] = []
    wait = threading.Thread(
        target=lambda: heard.extend(context.allGather(message)), name="all-gather", daemon=True
    )
    wait.start()
    wait.join(timeout_s)
    if not heard:
        infos = context.getTaskInfos()
        hosts = ", ".join(sorted({info.address for info in infos}))
        raise PeerLostError(
            f"one of {len(infos)} tasks on {hosts} did not come within {timeout_s:g} s while task "
            f"{context.partitionId()} waited. Look into the executors' logs; if it was merely "
            "slow, raise `training.peer_timeout_s`.",
            is_silent=True,
        )
    return heard
