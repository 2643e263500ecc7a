"""A challenger that decides beside the champion, later and elsewhere, and is never obeyed."""

import json
import threading
from collections import deque
from datetime import UTC, datetime

from serving.answers import decision_response, log_record
from serving.metrics import Metrics
from serving.schemas.decisions import DecisionRequest, DecisionResponse
from serving.service import DecisionService
from serving.values import Ask, Decision
from uplift.hashing import hash_uniform
from uplift.online.decision_log import DecisionLog

_MOST_WAITING = 1_000  # decisions beyond are not compared: a slow challenger slows nobody
_LOOK_SECONDS = 0.05


class Shadow:
    """Decides again with another run, in a thread, into a log of its own.

    Only features of the night are used: champion and challenger differ in model and policy alone.

    Args:
        service: The challenger.
        log: Of its decisions; each names the champion's arm.
        share: Of customers, by hash.
        metrics: Counts how often both agree.
    """

    def __init__(
        self, service: DecisionService, log: DecisionLog, *, share: float, metrics: Metrics
    ) -> None:
        self._service, self._log = service, log
        self._share, self._metrics = share, metrics
        self._waiting: deque[DecisionResponse] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, answer: DecisionResponse) -> None:
        """Compare with this decision of the champion, some time."""
        if len(self._waiting) < _MOST_WAITING and answer.fallback is None:
            self._waiting.append(answer)

    def close(self) -> None:
        """Decide what waits, and close log and challenger."""
        self._closing.set()
        self._thread.join()
        self._log.close()
        self._service.close()

    def _run(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            self._compare()
        self._compare()

    def _compare(self) -> None:
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        chosen = [a for a in taken if hash_uniform(a.user_id, "shadow") < self._share]
        if not chosen:
            return
        found = self._service.decide_many([Ask(answer.user_id) for answer in chosen])
        for answer, decision in zip(chosen, found, strict=True):
            if isinstance(decision, Decision):
                self._enter(answer, decision)

    def _enter(self, champion: DecisionResponse, decision: Decision) -> None:
        request = DecisionRequest.model_construct(
            user_id=champion.user_id, request_id=champion.request_id, explain=False
        )
        mine = decision_response(self._service, request, decision, champion.decision_id)
        record = log_record(self._service, mine, at=datetime.now(UTC))
        arm = None if champion.offer is None else champion.offer.treatment
        agrees = arm == decision.treatment
        self._metrics.shadow.labels(str(agrees).lower()).inc()
        line = {**record, "champion_arm": arm, "agrees": agrees}
        self._log.append(json.dumps(line, ensure_ascii=False).encode())
