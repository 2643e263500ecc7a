"""Decisions from one published run: model, policy and features, no HTTP, no memory."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from serving.reasons import Degraded, Fallback, Reason
from serving.values import (
    Ask,
    Decision,
    FeatureError,
    FeatureValue,
    Known,
    Matrix,
    UnknownArmError,
    UnknownCampaignError,
    Valuation,
)
from uplift.arms import CONTROL
from uplift.audience.manifest import Facts
from uplift.columns import REVENUE
from uplift.errors import UpliftError
from uplift.learners.model import UpliftModel
from uplift.online.store import FeatureStore
from uplift.policy.assignment import Decisions, decide, draw
from uplift.policy.evidence import STRONG
from uplift.policy.published import Policy


@dataclass(frozen=True)
class DecisionService:
    """Answers from one run and never mixes two. Safe to call from several threads.

    Attributes:
        fallback_treatment: Given to whom cannot be scored, but for the holdout; None: nothing is.
    """

    run_id: str
    facts: Facts
    model: UpliftModel
    policy: Policy
    store: FeatureStore
    face_value_eur: Mapping[str, float]
    fallback_treatment: str | None = None

    def decide(self, ask: Ask, *, dearer: float = 1.0) -> Decision:
        """``decide_many`` of one; its error is raised."""
        (found,) = self.decide_many([ask], dearer=dearer)
        if isinstance(found, UpliftError):
            raise found
        return found

    def decide_many(
        self, asks: Sequence[Ask], *, dearer: float = 1.0
    ) -> list[Decision | UpliftError]:
        """The decisions that the nightly batch takes too, where nothing is overridden.

        Who is unknown gets nothing, unless the request brings every feature and the permission, or
        a fallback is set: no money is spent on ignorance.

        Args:
            asks: Each answered alone; an ask that cannot be answered has its error in its place.
            dearer: Factor on 1 + shadow price, from pacing the day's spend.
        """
        met = [self.meet(ask) for ask in asks]
        known = [one for one in met if isinstance(one, Known)]
        decided = iter(self._decide(known, dearer) if known else [])
        return [next(decided) if isinstance(one, Known) else one for one in met]

    def warm(self) -> None:
        """Compile the kernels, so that the first customer does not wait for it."""
        blank = np.full((1, self.model.encoder.n_features), np.nan)
        self._decide([Known(Ask(""), blank, True, ())], 1.0)

    def require_ready(self) -> None:
        """Return if model and store answer; raise what they raise if not."""
        self.store.get("")
        self.warm()

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def meet(self, ask: Ask) -> "Known | Decision | UpliftError":
        """The customer with features as of now, or why there is nothing to score."""
        try:
            self._require_known_names(ask)
            fresh = self._encoded(ask.features)
        except UpliftError as error:
            return error
        degraded: tuple[Degraded, ...] = ()
        try:
            customer = self.store.get(ask.unit_id)
            missing = Fallback.USER_UNKNOWN
        except UpliftError:
            customer, missing, degraded = None, Fallback.STORE_UNAVAILABLE, (Degraded.STORE,)
        if customer is None:
            if ask.contactable is None or len(fresh) < self.model.encoder.n_features:
                return self._without_features(ask, missing, degraded)
            features = np.empty((1, self.model.encoder.n_features))
        else:
            features = np.array([customer.features])
        for place, value in fresh.items():
            features[0, place] = value
        known = False if customer is None else customer.contactable
        contactable = known if ask.contactable is None else ask.contactable
        return Known(ask, features, contactable, degraded)

    def _decide(self, known: Sequence[Known], dearer: float) -> list[Decision]:
        model, policy = self.model, self.policy
        matrix = np.concatenate([one.features for one in known]) if known[1:] else known[0].features
        conversion = model.expected_outcome(matrix)
        revenue = model.expected_outcome(matrix, REVENUE) if policy.value.basis == REVENUE else None

        def decided_by(priced: Policy) -> Decisions:
            return decide(
                priced,
                [one.ask.unit_id for one in known],
                conversion,
                revenue,
                [one.contactable for one in known],
                eligible=self._eligible(known),
                groups=self._groups(matrix),
            )

        found = decided_by(policy)
        if dearer == 1.0:
            return _answers(known, found, policy, conversion)
        paced = _paced(policy, dearer)
        return [
            replace(answer, reason=Reason.PACING)
            if answer.treatment is None and reason == Reason.NET_VALUE
            else answer
            for answer, reason in zip(
                _answers(known, decided_by(paced), paced, conversion), found.reason, strict=True
            )
        ]

    def _without_features(
        self, ask: Ask, missing: Fallback, degraded: tuple[Degraded, ...]
    ) -> Decision:
        """Nothing, or the coupon that the campaign names for this case; the holdout stays one."""
        treatment = self.fallback_treatment
        if treatment is not None:
            is_barred = ask.contactable is False or not (
                ask.eligible is None or treatment in ask.eligible
            )
            if is_barred or draw(self.policy, [ask.unit_id]).is_held_out[0]:
                treatment = None
        held_out = self.policy.holdout_share if self.fallback_treatment is not None else 0.0
        return Decision(
            treatment=treatment,
            segment="unknown",
            reason=Reason.FALLBACK,
            propensity=1.0 - held_out if treatment is not None else 1.0,
            fallback=missing,
            degraded=degraded,
        )

    def _require_known_names(self, ask: Ask) -> None:
        if ask.campaign_id not in (None, self.policy.campaign_id):
            raise UnknownCampaignError(
                f"unknown campaign {ask.campaign_id!r}; this service decides for "
                f"{self.policy.campaign_id!r} alone."
            )
        for name in ask.eligible or ():
            if name not in self.policy.arms.treatments:
                raise UnknownArmError(
                    f"unknown coupon {name!r} in `eligible`; the campaign has "
                    f"{list(self.policy.arms.treatments)}."
                )

    def _eligible(self, known: Sequence[Known]) -> npt.NDArray[np.bool_] | None:
        if all(one.ask.eligible is None for one in known):
            return None
        treatments = self.policy.arms.treatments
        return np.array(
            [
                [one.ask.eligible is None or t in one.ask.eligible for t in treatments]
                for one in known
            ]
        )

    def _groups(self, matrix: Matrix) -> list[str | None] | None:
        """The attribute that the policy charges for, out of the encoded features."""
        attribute, encoder = self.policy.group_attribute, self.model.encoder
        if attribute is None or attribute not in encoder.categories:
            return None
        codes = matrix[:, encoder.names.index(attribute)]
        names = encoder.categories[attribute]
        return [None if np.isnan(code) else names[int(code)] for code in codes]

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


def _answers(
    known: Sequence[Known], found: Decisions, policy: Policy, conversion: Matrix
) -> list[Decision]:
    """The decisions as values; whole columns leave numpy at once, which is most of the cost."""
    arms, treatments = policy.arms.names, policy.arms.treatments
    net_values = found.gain - (1.0 + policy.shadow_price) * found.cost
    shown = np.where(found.arm != CONTROL, found.arm - 1, net_values.argmax(axis=1)).tolist()
    columns = zip(
        known,
        found.arm.tolist(),
        shown,
        found.segment.tolist(),
        (found.evidence == STRONG).tolist(),
        found.reason.tolist(),
        found.propensity.tolist(),
        found.gain.tolist(),
        found.cost.tolist(),
        net_values.tolist(),
        conversion.tolist(),
        strict=True,
    )
    return [
        Decision(
            treatment=None if arm == CONTROL else arms[arm],
            segment=segment,
            evidence="strong" if is_strong else "weak",
            reason=Reason(reason),
            propensity=propensity,
            expected_outcome=dict(zip(arms, outcome, strict=True)),
            uplift={
                name: effect - outcome[CONTROL]
                for name, effect in zip(treatments, outcome[1:], strict=True)
            },
            value=Valuation(
                treatment=treatments[place],
                gain_eur=gain[place],
                cost_eur=cost[place],
                net_value_eur=net_value[place],
                shadow_price=policy.shadow_price,
            ),
            degraded=one.degraded,
        )
        for (
            one,
            arm,
            place,
            segment,
            is_strong,
            reason,
            propensity,
            gain,
            cost,
            net_value,
            outcome,
        ) in columns
    ]


def _paced(policy: Policy, dearer: float) -> Policy:
    """The policy at a dearer or cheaper budget; never below a shadow price of 0."""

    def at(price: float) -> float:
        return max(0.0, dearer * (1.0 + price) - 1.0)

    return replace(
        policy,
        shadow_price=at(policy.shadow_price),
        tie_shadow_price=at(policy.tie_shadow_price),
    )
