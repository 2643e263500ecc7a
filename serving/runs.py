"""Which run answers: the one that is pointed to, if it proves itself; else the one before.

A new run is loaded beside the old one, in a thread, and takes its place in one assignment. A
request holds on to the run that it started with.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from serving.loading import LastGood, Loaded, OpenStore, embedded_store, load
from uplift.audience.snapshot import Snapshot, current
from uplift.config import Campaign
from uplift.errors import UpliftError
from uplift.logs import event

_LOG = logging.getLogger(__name__)
_GRACE_SECONDS = 30.0  # longer than any request: until then it may hold on to the old run


class Runs:
    """The current run of a published folder.

    Args:
        published: Folder of the runs.
        campaign: The campaign that is served.
        golden_rows: See ``serving.loading.load``.
        fallback_treatment: See ``DecisionService``.
        last_good: Where the run that served last is noted; None: nowhere.
        open_store: Where customers are looked up.

    Raises:
        UpliftError: Neither the current run nor the one that served last can be served.
    """

    def __init__(
        self,
        published: Path,
        campaign: Campaign,
        *,
        golden_rows: int = 200,
        fallback_treatment: str | None = None,
        last_good: Path | None = None,
        open_store: OpenStore = embedded_store,
    ) -> None:
        self._published, self._campaign = published, campaign
        self._golden_rows, self._fallback = golden_rows, fallback_treatment
        self._open_store = open_store
        self._last_good = LastGood(last_good) if last_good else None
        self.refused: str | None = None  # why a newer run does not serve
        self.refused_run: str | None = None
        self._loaded = self._first()
        self._note()

    @property
    def loaded(self) -> Loaded:
        """What serves now."""
        return self._loaded

    async def watch(self, *, seconds: float, told: Callable[[str], None]) -> None:
        """Follow the pointer until cancelled; ``told`` hears ``loaded`` and ``refused``."""
        while True:
            await asyncio.sleep(seconds)
            outcome = await self.look()
            if outcome is not None:
                told(outcome)

    async def look(self) -> str | None:
        """Load the run that is pointed to, if it is another one; what came of it."""
        try:
            snapshot = current(self._published)
        except UpliftError as error:
            return self._refuse("(pointer)", error)
        if snapshot.run_id == self._loaded.service.run_id:
            self.refused = self.refused_run = None
            return None
        if snapshot.run_id == self.refused_run:
            return None
        try:
            fresh = await asyncio.to_thread(self._load, snapshot)
        except UpliftError as error:
            return self._refuse(snapshot.run_id, error)
        old, self._loaded = self._loaded, fresh
        self.refused = self.refused_run = None
        self._note()
        asyncio.get_running_loop().call_later(_GRACE_SECONDS, old.service.close)
        event(
            _LOG,
            "run.loaded",
            run_id=fresh.service.run_id,
            model_version=fresh.service.model.version,
            policy_version=fresh.service.policy.version,
            golden_rows=len(fresh.golden),
        )
        return "loaded"

    def close(self) -> None:
        """Let go of the current run."""
        self._loaded.service.close()

    def _first(self) -> Loaded:
        try:
            snapshot = current(self._published)
            return self._load(snapshot)
        except UpliftError as error:
            before = self._last_good.find(self._published) if self._last_good else None
            if before is None:
                raise
            loaded = self._load(before)
            self._refuse("(at start)", error)
            return loaded

    def _load(self, snapshot: Snapshot) -> Loaded:
        return load(
            snapshot,
            self._campaign,
            golden_rows=self._golden_rows,
            fallback_treatment=self._fallback,
            open_store=self._open_store,
        )

    def _refuse(self, run_id: str, error: UpliftError) -> str | None:
        """Go on with the old run and say so, once per run."""
        is_news = self.refused != str(error)
        self.refused, self.refused_run = str(error), run_id
        if is_news:
            event(_LOG, "run.refused", level=logging.ERROR, run_id=run_id, error=str(error))
        return "refused" if is_news else None

    def _note(self) -> None:
        if self._last_good:
            self._last_good.keep(self._loaded.service.run_id)
