"""From a published folder to a service that may be asked: checked first, or refused."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow.parquet as pq

from serving.service import DecisionService
from serving.values import Ask, Decision
from uplift import columns
from uplift.audience.snapshot import Snapshot, current, run_of
from uplift.config import Campaign, RedisSettings
from uplift.errors import ConfigError, ContractError, UpliftError, VersionMismatchError
from uplift.learners.explanation import EffectExplainer
from uplift.learners.model import load_model
from uplift.online.redis_client import connect
from uplift.online.redis_store import RedisStore
from uplift.online.sqlite import SqliteStore
from uplift.online.store import FeatureStore
from uplift.policy.assignment import NOT_ELIGIBLE
from uplift.policy.published import Policy
from uplift.workspace import read_document, write_text

OpenStore: TypeAlias = Callable[[Snapshot], FeatureStore]

_DECISION = "decision"
_GOLDEN = [
    columns.UNIT_ID,
    columns.SEGMENT,
    _DECISION,
    columns.REASON,
    columns.DECISION_PROPENSITY,
]


@dataclass(frozen=True)
class Loaded:
    """A service, and what was recorded of its run."""

    service: DecisionService
    golden: tuple[Mapping[str, object], ...]

    @cached_property
    def explainer(self) -> EffectExplainer | None:
        """Takes effects apart, against recorded customers; None where none was recorded."""
        found = [self.service.store.get(str(row[columns.UNIT_ID])) for row in self.golden]
        rows = [customer.features for customer in found if customer is not None]
        return EffectExplainer(self.service.model, np.array(rows)) if rows else None


def embedded_store(snapshot: Snapshot) -> FeatureStore:
    """The file inside a run."""
    return SqliteStore(snapshot.customers)


def redis_store(settings: RedisSettings, campaign_id: str) -> OpenStore:
    """Opens the version of a run in Redis."""

    def opened(snapshot: Snapshot) -> FeatureStore:
        client = connect(settings.url, timeout_seconds=settings.lookup_seconds)
        return RedisStore(client, campaign_id, snapshot.run_id)

    return opened


def load_service(
    published: Path,
    campaign: Campaign,
    *,
    golden_rows: int = 200,
    fallback_treatment: str | None = None,
) -> DecisionService:
    """A service on the current run, see ``load``."""
    return load(
        current(published),
        campaign,
        golden_rows=golden_rows,
        fallback_treatment=fallback_treatment,
    ).service


def load(
    snapshot: Snapshot,
    campaign: Campaign,
    *,
    golden_rows: int = 200,
    fallback_treatment: str | None = None,
    open_store: OpenStore = embedded_store,
) -> Loaded:
    """A service on a run: every file checked, kernels compiled, recorded decisions taken again.

    Args:
        snapshot: The run.
        campaign: Must be the one that was published; it knows what stands on the coupons.
        golden_rows: Customers whose published decision must come out again; 0: none.
        fallback_treatment: See ``DecisionService``.
        open_store: Where customers are looked up.

    Raises:
        ModelNotReadyError: There is no model in the run.
        ContractError: A file is missing or damaged, or a recorded decision does not come out.
        VersionMismatchError: Model, policy and features do not belong together.
        ConfigError: The fallback is no coupon of the campaign.
    """
    if fallback_treatment is not None and fallback_treatment not in campaign.arms.treatments:
        raise ConfigError(
            f"`serving.fallback_treatment` is {fallback_treatment!r}; the campaign has "
            f"{list(campaign.arms.treatments)}."
        )
    snapshot.verify()
    model = load_model(snapshot.model)
    policy = Policy.from_document(read_document(snapshot.policy, made_by="publish_snapshot"))
    policy.require_model(model.version)
    _require_campaign(policy, campaign)
    store = open_store(snapshot)
    try:
        if store.names != model.encoder.names:
            raise VersionMismatchError(
                f"run {snapshot.run_id} stores features {list(store.names)}, its model needs "
                f"{list(model.encoder.names)}. Publish again with jobs.publish_snapshot."
            )
        service = DecisionService(
            run_id=snapshot.run_id,
            facts=snapshot.facts,
            model=model,
            policy=policy,
            store=store,
            face_value_eur={t.name: t.face_value_eur for t in campaign.treatments},
            fallback_treatment=fallback_treatment,
        )
        service.warm()
        golden = golden_customers(snapshot, golden_rows)
        require_golden(service, golden)
    except UpliftError:
        store.close()
        raise
    return Loaded(service, golden)


def golden_customers(snapshot: Snapshot, n: int) -> tuple[Mapping[str, object], ...]:
    """About n customers as the batch decided them, from every file of the scores."""
    rows: list[Mapping[str, object]] = []
    each = -(-n // max(1, len(snapshot.scores)))
    for path in snapshot.scores if n else ():
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=each, columns=_GOLDEN):
                rows += batch.to_pylist()
                break
    return tuple(rows)


def require_golden(service: DecisionService, golden: tuple[Mapping[str, object], ...]) -> None:
    """Refuse a run whose recorded decisions do not come out again, to the last bit.

    Customers whom a list or a cap of the night kept from a coupon are left out: those are not
    known here.
    """
    asked = [row for row in golden if row[columns.REASON] != NOT_ELIGIBLE]
    found = service.decide_many([Ask(str(row[columns.UNIT_ID])) for row in asked])
    wrong = [
        row for row, answer in zip(asked, found, strict=True) if not _agrees(row, answer, service)
    ]
    if wrong:
        raise ContractError(
            f"run {service.run_id} decides {len(wrong)} of {len(asked)} recorded customers "
            f"otherwise than its own batch did, {wrong[0][columns.UNIT_ID]!r} among them. Publish "
            "again with the release that serves."
        )


def _agrees(
    row: Mapping[str, object], answer: Decision | UpliftError, service: DecisionService
) -> bool:
    if isinstance(answer, UpliftError):
        return False
    return (
        (answer.treatment or service.policy.arms.names[0]) == row[_DECISION]
        and answer.segment == row[columns.SEGMENT]
        and answer.reason == row[columns.REASON]
        and answer.propensity == row[columns.DECISION_PROPENSITY]
    )


class LastGood:
    """Remembers the run that served last, for a start when the current one is broken."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, run_id: str) -> None:
        """This run serves; a disk that refuses the note does not stop it."""
        try:
            write_text(self._path, json.dumps({"run_id": run_id}) + "\n")
        except OSError:
            return

    def find(self, published: Path) -> Snapshot | None:
        """The run that served last, if it is still there."""
        try:
            run_id = json.loads(self._path.read_text(encoding="utf-8"))["run_id"]
            return run_of(published, str(run_id))
        except (OSError, ValueError, KeyError, TypeError, UpliftError):
            return None


def _require_campaign(policy: Policy, campaign: Campaign) -> None:
    declared, published = (campaign.id, campaign.arms), (policy.campaign_id, policy.arms)
    if declared != published:
        raise VersionMismatchError(
            f"the config declares campaign {campaign.id!r} with arms {list(campaign.arms.names)}, "
            f"published is {policy.campaign_id!r} with {list(policy.arms.names)}. Serve with the "
            "config that was published, or run the night again with this one."
        )
