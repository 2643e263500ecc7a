"""Decisions for single customers: model, policy and features of one published run, no HTTP."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.audience.manifest import Facts
from uplift.audience.snapshot import current
from uplift.columns import REVENUE
from uplift.config import Campaign
from uplift.errors import ContractError, UpliftError, VersionMismatchError
from uplift.learners.model import UpliftModel, load_model
from uplift.online.sqlite import SqliteStore
from uplift.online.store import FeatureStore
from uplift.policy.assignment import EXPLORATION, HOLDOUT, NOT_CONTACTABLE, decide
from uplift.policy.evidence import STRONG
from uplift.policy.published import Policy
from uplift.workspace import read_document

FeatureValue: TypeAlias = float | str | None
Group: TypeAlias = Literal["policy", "holdout", "explore", "none"]
Fallback: TypeAlias = Literal["USER_UNKNOWN", "STORE_UNAVAILABLE"]

_GROUP: Mapping[str, Group] = {
    HOLDOUT: "holdout",
    EXPLORATION: "explore",
    NOT_CONTACTABLE: "none",
}


class UnknownCampaignError(ContractError):
    """A request asks for a campaign that this service does not decide for."""


class FeatureError(ContractError):
    """A request brings a feature that the model does not have, or of the wrong kind."""


@dataclass(frozen=True)
class Valuation:
    """What the coupon given is worth; if none is given, what the best one would be."""

    treatment: str
    gain_eur: float
    cost_eur: float
    net_value_eur: float
    shadow_price: float


@dataclass(frozen=True)
class Decision:
    """The arm for one customer, and why.

    Attributes:
        treatment: Name of the coupon; None holds it back.
        face_value_eur: What the customer sees on it; None if nothing is offered.
        segment: Response segment; "unknown" after a fallback.
        evidence: Whether the data bear the segment out, "strong" or "weak".
        reason: Of ``uplift.policy.assignment.REASONS``, or "fallback".
        group: Who decided: the policy, chance, or nobody because nothing may be sent.
        propensity: Chance that the arm had.
        uplift: Effect on conversion by treatment; empty after a fallback.
        value: In euro; None after a fallback.
        fallback: What was missing, if anything was.
    """

    treatment: str | None
    face_value_eur: float | None
    segment: str
    evidence: Literal["strong", "weak"]
    reason: str
    group: Group
    propensity: float
    uplift: Mapping[str, float]
    value: Valuation | None
    fallback: Fallback | None = None


@dataclass(frozen=True)
class DecisionService:
    """Answers from one run and never mixes two. Safe to call from several threads."""

    run_id: str
    facts: Facts
    model: UpliftModel
    policy: Policy
    store: FeatureStore
    face_value_eur: Mapping[str, float]

    def decide(
        self,
        unit_id: str,
        *,
        overrides: Mapping[str, FeatureValue] | None = None,
        campaign_id: str | None = None,
    ) -> Decision:
        """The decision that the nightly batch takes too, if nothing is overridden.

        Who is unknown gets nothing: no money is spent on ignorance.

        Args:
            unit_id: The customer.
            overrides: Features as of now, in place of those of the night.
            campaign_id: If given, it must be the campaign of this service.
        """
        if campaign_id not in (None, self.policy.campaign_id):
            raise UnknownCampaignError(
                f"unknown campaign {campaign_id!r}; this service decides for "
                f"{self.policy.campaign_id!r} alone."
            )
        fresh = self._encoded(overrides or {})
        try:
            customer = self.store.get(unit_id)
        except UpliftError:
            return self._hold("STORE_UNAVAILABLE")
        if customer is None:
            return self._hold("USER_UNKNOWN")
        features = np.array([customer.features])
        for place, value in fresh.items():
            features[0, place] = value
        return self._decide(unit_id, features, customer.contactable)

    def warm(self) -> None:
        """Compile the kernels, so that the first customer does not wait for it."""
        self._decide("", np.full((1, self.model.encoder.n_features), np.nan), True)

    def require_ready(self) -> None:
        """Return if model and store answer; raise what they raise if not."""
        self.store.get("")
        self.warm()

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def _decide(
        self, unit_id: str, features: npt.NDArray[np.float64], contactable: bool
    ) -> Decision:
        model, policy = self.model, self.policy
        conversion = model.expected_outcome(features)
        revenue = (
            model.expected_outcome(features, REVENUE) if policy.value.basis == REVENUE else None
        )
        groups = [self._group(features[0])]
        decided = decide(policy, [unit_id], conversion, revenue, [contactable], groups=groups)
        arm, reason = int(decided.arm[0]), str(decided.reason[0])
        gain, cost = decided.gain[0], decided.cost[0]
        net_value = gain - (1.0 + policy.shadow_price) * cost
        shown = (arm if arm != CONTROL else int(net_value.argmax()) + 1) - 1
        effects = (conversion[0, 1:] - conversion[0, CONTROL]).tolist()
        treatment = None if arm == CONTROL else policy.arms.names[arm]
        return Decision(
            treatment=treatment,
            face_value_eur=None if treatment is None else self.face_value_eur[treatment],
            segment=str(decided.segment[0]),
            evidence="strong" if decided.evidence[0] == STRONG else "weak",
            reason=reason,
            group=_GROUP.get(reason, "policy"),
            propensity=float(decided.propensity[0]),
            uplift=dict(zip(policy.arms.treatments, effects, strict=True)),
            value=Valuation(
                treatment=policy.arms.treatments[shown],
                gain_eur=float(gain[shown]),
                cost_eur=float(cost[shown]),
                net_value_eur=float(net_value[shown]),
                shadow_price=policy.shadow_price,
            ),
        )

    def _group(self, features: npt.NDArray[np.float64]) -> str | None:
        """The customer's group, if the policy limits groups."""
        attribute, encoder = self.policy.group_attribute, self.model.encoder
        if attribute not in encoder.categories:
            return None
        code = features[encoder.names.index(attribute)]
        return None if np.isnan(code) else encoder.categories[attribute][int(code)]

    def _hold(self, fallback: Fallback) -> Decision:
        return Decision(
            treatment=None,
            face_value_eur=None,
            segment="unknown",
            evidence="weak",
            reason="fallback",
            group="none",
            propensity=1.0,
            uplift={},
            value=None,
            fallback=fallback,
        )

    def _encoded(self, overrides: Mapping[str, FeatureValue]) -> dict[int, float]:
        """Column of the matrix to its value, for the features that are overridden."""
        if not overrides:
            return {}
        encoder = self.model.encoder
        kinds = {column.name: column.kind for column in encoder.columns}
        for name, value in overrides.items():
            if name not in kinds:
                near = difflib.get_close_matches(name, kinds, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"it knows {sorted(kinds)}."
                raise FeatureError(f"the model has no feature {name!r}; {hint}")
            kind = "text" if kinds[name] == "categorical" else "a number"
            if value is not None and isinstance(value, str) != (kind == "text"):
                raise FeatureError(f"feature {name!r} must be {kind} or null.")
        row = encoder.encode_one({**dict.fromkeys(kinds), **overrides})[0]
        return {place: row[place] for place, name in enumerate(kinds) if name in overrides}


def load_service(published: Path, campaign: Campaign) -> DecisionService:
    """A service on the current run: every file checked, kernels compiled, ready to answer.

    Args:
        published: Folder of the runs.
        campaign: Must be the one that was published; it knows what stands on the coupons.

    Raises:
        ModelNotReadyError: Nothing is published.
        ContractError: A file is missing or damaged.
        VersionMismatchError: Model, policy and features do not belong together.
    """
    snapshot = current(published)
    snapshot.verify()
    model = load_model(snapshot.model)
    policy = Policy.from_document(read_document(snapshot.policy, made_by="publish_snapshot"))
    policy.require_model(model.version)
    _require_campaign(policy, campaign)
    store = SqliteStore(snapshot.customers)
    if store.names != model.encoder.names:
        store.close()
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
    )
    service.warm()
    return service


def _require_campaign(policy: Policy, campaign: Campaign) -> None:
    declared, published = (campaign.id, campaign.arms), (policy.campaign_id, policy.arms)
    if declared != published:
        raise VersionMismatchError(
            f"the config declares campaign {campaign.id!r} with arms {list(campaign.arms.names)}, "
            f"published is {policy.campaign_id!r} with {list(policy.arms.names)}. Serve with the "
            "config that was published, or run the night again with this one."
        )
