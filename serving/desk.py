"""Where requests meet what outlives them: the current run, the ledger, the decision log.

The order of a decision: the run decides (permission, holdout, exploration, net value); caps take
back a coupon that has run out; a repeated request id gets its first answer; the log takes the rest.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeAlias

from serving.answers import ask_of, decision_response, log_record
from serving.keeping import Found, Keeper, with_part
from serving.leaving_alone import left_alone
from serving.loading import Loaded
from serving.metrics import Metrics
from serving.reasons import Degraded
from serving.schemas.decisions import DecisionRequest, DecisionResponse
from serving.service import DecisionService
from serving.shadow import Shadow
from serving.values import Decision
from uplift.audience.suppression import Suppressions
from uplift.errors import UpliftError
from uplift.logs import event
from uplift.online.decision_log import DecisionLog

_LOG = logging.getLogger(__name__)
_WRITE_SECONDS = 2.0  # for an acknowledged write; later the answer says it is only queued

Logged: TypeAlias = Literal["queued", "written", "shed"]


class Source(Protocol):
    """Where the current run comes from."""

    @property
    def loaded(self) -> Loaded:
        """What serves now."""
        ...

    @property
    def refused(self) -> str | None:
        """Why a newer run does not serve."""
        ...


class Desk:
    """Decides, keeps caps and first answers, and logs.

    Args:
        source: Of the current run.
        keeper: Of caps and first answers.
        log: Of decisions.
        metrics: Counts what happens here.
        acknowledge_written: Whether an answer waits until the log has it.
        shadow: A challenger beside; None: there is none.
        suppressions: Of customers who asked to be left alone; None: nobody has.
        clock: Now, in UTC.
    """

    def __init__(
        self,
        source: Source,
        keeper: Keeper,
        log: DecisionLog,
        metrics: Metrics,
        *,
        acknowledge_written: bool = False,
        shadow: Shadow | None = None,
        suppressions: Suppressions | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.source, self.keeper, self.log = source, keeper, log
        self.metrics, self.shadow = metrics, shadow
        self._suppressions = suppressions
        self._acknowledge_written, self._clock = acknowledge_written, clock
        self._waiting: list[tuple[DecisionRequest, asyncio.Future[DecisionResponse]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def dearer(self) -> float:
        """Factor on 1 + shadow price, from pacing."""
        return self.keeper.dearer

    @property
    def service(self) -> DecisionService:
        """The service that answers now."""
        return self.source.loaded.service

    async def adjust_price(self) -> None:
        """Let the price of the budget follow the day's spend."""
        await self.keeper.adjust_price(self.service, self._clock())

    async def decide_one(self, request: DecisionRequest) -> DecisionResponse:
        """An answer; what is wrong is raised.

        Requests that came in the same turn of the event loop are decided together: most of the
        work of a decision does not grow with their number, so a busy service decides cheaper.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[DecisionResponse] = loop.create_future()
        self._waiting.append((request, answer))
        if len(self._waiting) == 1:
            loop.call_soon(self._begin)
        return await answer

    def _begin(self) -> None:
        taken, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._decide_together(taken))
        self._tasks.add(task)  # the loop alone would let it be collected
        task.add_done_callback(self._tasks.discard)

    async def _decide_together(
        self, taken: "list[tuple[DecisionRequest, asyncio.Future[DecisionResponse]]]"
    ) -> None:
        found: Sequence[DecisionResponse | Exception]
        try:
            found = await self.decide([request for request, _ in taken])
        except Exception as error:
            found = [error] * len(taken)
        for (_, answer), one in zip(taken, found, strict=True):
            if answer.done():  # its caller left
                continue
            if isinstance(one, Exception):
                answer.set_exception(one)
            else:
                answer.set_result(one)

    async def decide(
        self, requests: Sequence[DecisionRequest]
    ) -> list[DecisionResponse | UpliftError]:
        """An answer, or what is wrong, for each request."""
        service, now = self.service, self._clock()  # one run for all that follows
        asks, dearer = [ask_of(request) for request in requests], self.dearer
        found: list[Found]
        if service.store.is_remote:
            found = await asyncio.to_thread(service.decide_many, asks, dearer=dearer)
        else:  # less time than a thread would cost
            found = service.decide_many(asks, dearer=dearer)
        if self._suppressions is not None:
            found = left_alone(found, requests, self._suppressions)
        if self.source.refused is not None:
            found = [with_part(one, Degraded.RUN) for one in found]
        found = await self.keeper.within_caps(service, requests, found, now)
        answers: list[DecisionResponse | UpliftError] = [
            one
            if isinstance(one, UpliftError)
            else decision_response(service, request, one, str(uuid.uuid4()))
            for request, one in zip(requests, found, strict=True)
        ]
        answers, made = await self.keeper.first_answers(service, requests, answers)
        await self._enter(service, answers, made, found, now)
        return answers

    async def close(self) -> None:
        """Write what waits, and let go of files and connections."""
        await asyncio.to_thread(self.log.close)
        if self.shadow is not None:
            await asyncio.to_thread(self.shadow.close)
        await self.keeper.close()

    async def _enter(
        self,
        service: DecisionService,
        answers: list[DecisionResponse | UpliftError],
        made: dict[int, DecisionResponse],
        found: Sequence[Found],
        now: datetime,
    ) -> None:
        """Log and count what is new; each answer says whether it was logged."""
        writes: dict[int, asyncio.Future[bool]] = {}
        loop = asyncio.get_running_loop()
        control = service.policy.arms.names[0]
        for i, answer in made.items():
            line = json.dumps(log_record(service, answer, at=now), ensure_ascii=False).encode()
            tell = None
            if self._acknowledge_written:
                writes[i] = loop.create_future()
                tell = _teller(loop, writes[i])
            decision = found[i]
            if not self.log.append(line, tell):
                writes.pop(i, None)
                answers[i] = _logged(answer, "shed")
                decision = with_part(decision, Degraded.LOG)
            if isinstance(decision, Decision):
                self.metrics.count(decision, control)
                if decision.degraded:
                    _warn(answer, decision)
            if self.shadow is not None:
                self.shadow.offer(answer)
        if writes:
            await asyncio.wait(writes.values(), timeout=_WRITE_SECONDS)
            for i, write in writes.items():
                if write.done():
                    answers[i] = _logged(made[i], "written" if write.result() else "shed")


def _logged(answer: DecisionResponse, state: Logged) -> DecisionResponse:
    if state != "shed":
        return answer.model_copy(update={"logged": state})
    return answer.model_copy(update={"logged": state, "degraded": [*answer.degraded, Degraded.LOG]})


def _teller(
    loop: asyncio.AbstractEventLoop, write: "asyncio.Future[bool]"
) -> Callable[[bool], None]:
    def settle(is_written: bool) -> None:
        if not write.done():
            write.set_result(is_written)

    def tell(is_written: bool) -> None:
        loop.call_soon_threadsafe(settle, is_written)

    return tell


def _warn(answer: DecisionResponse, decision: Decision) -> None:
    """Neither customer nor features: the caller holds the decision_id."""
    event(
        _LOG,
        "decision.degraded",
        level=logging.WARNING,
        decision_id=answer.decision_id,
        degraded=[part.value for part in decision.degraded],
        fallback=None if decision.fallback is None else decision.fallback.value,
    )
