"""From a configuration to everything that answers, and back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving.access import Gate
from serving.console.session import Sessions
from serving.desk import Desk
from serving.door import Traffic
from serving.exporting import ExportDesk
from serving.keeping import Keeper
from serving.keys import KeyRing
from serving.loading import embedded_store, load, redis_store
from serving.metrics import Metrics
from serving.pacing import Pace
from serving.rates import Rates
from serving.runs import Runs
from serving.shadow import Shadow
from uplift.audience.snapshot import current, run_of
from uplift.audience.source import Source
from uplift.audience.suppression import Suppressions
from uplift.config import Config, Serving
from uplift.online.decision_log import DecisionLog
from uplift.online.ledger import MICROS, Ledger
from uplift.online.redis_ledger import RedisLedger
from uplift.online.sqlite_ledger import SqliteLedger
from uplift.workspace import Workspace


class Office:
    """Everything behind the HTTP surface, opened once and closed once.

    Args:
        config: Of the campaign; its workspace holds what is published and what is written.

    Raises:
        UpliftError: No run can be served, or a file or folder cannot be used.
    """

    def __init__(self, config: Config) -> None:
        serving, workspace = config.serving, Workspace(config.workspace)
        self.settings: Serving = serving
        self.metrics, self.traffic = Metrics(), Traffic()
        ring = KeyRing(serving.keys.file or workspace.keys)
        needed = None if ring.is_empty else ring
        self.workspace = workspace
        self.sessions = Sessions(workspace.console_secret, needed)
        self.gate = Gate(needed, Rates(serving.keys.requests_per_second))
        self.suppressions = Suppressions(workspace.suppressions)
        self.runs = Runs(
            workspace.published,
            config.campaign,
            golden_rows=serving.golden_rows,
            fallback_treatment=serving.fallback_treatment,
            last_good=workspace.last_good,
            open_store=redis_store(config.online.redis, config.campaign.id)
            if config.online.store == "redis"
            else embedded_store,
        )
        log = serving.decision_log

        def new_log(folder: Path) -> DecisionLog:
            return DecisionLog(
                folder,
                queue=log.queue,
                flush_seconds=log.flush_ms / 1000.0,
                rotate_seconds=log.rotate_seconds,
                rotate_bytes=log.rotate_bytes,
            )

        shadow = None
        if serving.shadow.published is not None:
            challenger = load(
                current(serving.shadow.published), config.campaign, golden_rows=serving.golden_rows
            )
            shadow = Shadow(
                challenger.service,
                new_log(workspace.shadow_log),
                share=serving.shadow.share,
                metrics=self.metrics,
            )
        self.desk = Desk(
            self.runs,
            Keeper(
                _ledger(serving, workspace),
                serving.caps,
                pace=_pace(serving),
                remember_seconds=serving.ledger.remember_seconds,
            ),
            new_log(workspace.decision_log),
            self.metrics,
            acknowledge_written=log.acknowledge == "written",
            shadow=shadow,
            suppressions=self.suppressions,
        )
        self.metrics.watch(self.desk)
        self._published = workspace.published
        self.exports = ExportDesk(workspace.exports, lambda: self._source(config), config.export)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Follow the pointer, the traffic and the spend; close everything at the end."""
        settings = self.settings
        work: list[Coroutine[Any, Any, None]] = [
            self.traffic.watch(),
            self.runs.watch(seconds=settings.reload_seconds, told=self.told_of_reload),
        ]
        if settings.pacing.enabled:
            work.append(_every(settings.pacing.adjust_seconds, self.desk))
        tasks = [asyncio.create_task(one) for one in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await self.desk.close()
            self.runs.close()
            await asyncio.to_thread(self.exports.close)

    def suppress(self, unit_ids: Sequence[str], action: str, reason: str) -> int:
        """Leave customers alone, or ``lift`` that; returns for how many it is news."""
        if action == "lift":
            return self.suppressions.remove(unit_ids)
        return self.suppressions.add(unit_ids, since=datetime.now(UTC), reason=reason)

    def _source(self, config: Config) -> Source:
        """The run that is served now; an export holds on to it whatever is published meanwhile."""
        return Source(
            snapshot=run_of(self._published, self.desk.service.run_id),
            attributes=config.attributes,
            suppressed=self.suppressions.unit_ids(),
            memory_mb=config.export.memory_mb,
        )

    def told_of_reload(self, outcome: str) -> None:
        """Count what became of a new run."""
        self.metrics.reloads.labels(outcome).inc()


async def _every(seconds: float, desk: Desk) -> None:
    while True:
        await desk.adjust_price()
        await asyncio.sleep(seconds)


def _ledger(serving: Serving, workspace: Workspace) -> Ledger:
    timeout = serving.ledger.timeout_seconds
    if serving.ledger.store == "redis":
        return RedisLedger(serving.ledger.url, timeout_seconds=timeout)
    return SqliteLedger(workspace.ledger, timeout_seconds=timeout)


def _pace(serving: Serving) -> Pace | None:
    spend, pacing = serving.caps.total_spend_eur, serving.pacing
    if not pacing.enabled or spend is None:
        return None
    return Pace(round(spend * MICROS), gain=pacing.gain, least=pacing.least, most=pacing.most)
