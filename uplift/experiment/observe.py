"""From the columns of an observational log to its report: all steps, in their order."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL, Arms
from uplift.config import Observational
from uplift.errors import ContractError
from uplift.experiment.adjusted import (
    AdjustedEffect,
    ExpectedOutcomes,
    adjusted_effect,
    cross_fitted_outcomes,
    naive_effect,
)
from uplift.experiment.candidates import KINDS, Choice, Kind
from uplift.experiment.observational import (
    WEAK_GAMMA,
    CovariateBalance,
    ObservationalReport,
    OutcomeEffect,
    Sensitivity,
)
from uplift.experiment.observed import Matrix, ObservedLog, Rows, observed_logs
from uplift.experiment.overlap import check_overlap, overlap_counts, population_shift, trim
from uplift.experiment.propensity import PropensityFit, fit_propensities
from uplift.experiment.refutation import Estimate, Refutation, refute
from uplift.experiment.sensitivity import (
    e_value,
    e_value_of_interval,
    marginal_bounds,
    ratio_of_difference,
    ratio_of_risks,
    smallest_gamma,
)
from uplift.experiment.weighting import (
    covariate_columns,
    weighted_counts,
    weighted_difference,
    weights,
)


def observe(
    features: Matrix,
    arm: npt.ArrayLike,
    outcomes: Mapping[str, npt.ArrayLike],
    cluster_ids: Sequence[str],
    *,
    arms: Arms,
    names: Sequence[str],
    categorical: Sequence[int],
    how: Observational,
    floor: float,
    fit: PropensityFit | None = None,
) -> ObservationalReport:
    """Everything that adjusting can say of a log whose arms nobody drew by chance.

    Chances and expected outcomes are fitted once, on all rows; then units without overlap are left
    out, and balance and effects are those of the units that stay.

    Args:
        features: Known before the arm was given, shape (n, d); NaN is a missing value.
        arm: Shape (n,), 0..K.
        outcomes: By name, shape (n,) each; the first is the one that refutations attack.
        cluster_ids: Whose fate is shared (the unit itself where nothing is), n texts.
        arms: Names of 0..K.
        names: Of the features, d.
        categorical: Columns of ``features`` that hold codes.
        how: Section ``experiment.observational``.
        floor: ``experiment.propensity_floor``.
        fit: Chances of these very rows; None: they are fitted here.

    Raises:
        ContractError: The columns do not fit together, or hold values that are none.
        ExperimentError: An arm has too few units.
        OverlapError: An arm and control share nobody who could have been in both.
    """
    if len(names) != features.shape[-1] or not outcomes:
        raise ContractError(
            f"{len(names)} names for {features.shape[-1]} features and {len(outcomes)} outcomes; "
            "give one name each and at least one outcome. See `features`."
        )
    logs = observed_logs(
        features,
        arm,
        outcomes,
        cluster_ids,
        n_arms=len(arms.names),
        folds=how.folds,
        seed=how.seed,
        categorical=categorical,
    )
    log = next(iter(logs.values()))
    fit = fit or propensities_of(log, how)
    check_overlap(fit.propensities, log.arm, floor=floor)
    trimming = trim(fit.propensities, log.arm, rule=how.trim, floor=floor)
    expected = {name: cross_fitted_outcomes(one, seed=how.seed) for name, one in logs.items()}
    effects = tuple(
        _effect(logs[name], fit, expected[name], trimming.keep, name, k, arms, how, floor)
        for name in logs
        for k in range(1, log.n_arms)
    )
    shift = population_shift(features, trimming.keep)
    return ObservationalReport(
        arms=arms,
        target=how.target,
        floor=floor,
        n_clusters=int(log.cluster.max()) + 1,
        kind=fit.model.kind,
        outcome_kinds={name: found.kinds for name, found in expected.items()},
        quality=fit.quality,
        overlap=overlap_counts(fit.propensities, log.arm, floor=floor),
        trimming=trimming,
        shift=dict(zip(names, shift.tolist(), strict=True)),
        balance=tuple(_balance(log, fit.propensities, trimming.keep, names, arms, how, floor)),
        effects=effects,
        refutations=_refutations(logs, fit, expected, effects, arms, how, floor),
        sensitivity=tuple(
            _sensitivity(logs[effect.outcome], fit, trimming.keep, effect, arms, how, floor)
            for effect in effects
        ),
    )


def propensities_of(
    log: ObservedLog, how: Observational, kinds: Sequence[Kind] | None = None
) -> PropensityFit:
    """The chances of a log as its section wants them; ``kinds``: which candidates, None: all."""
    chosen = {} if kinds is None else {"kinds": kinds}
    return fit_propensities(
        log.features,
        log.arm,
        log.fold,
        n_arms=log.n_arms,
        folds=log.folds,
        seed=how.seed,
        categorical=log.categorical,
        **chosen,
    )


def estimate_of(
    k: int, how: Observational, floor: float, kind: Choice, outcome_kinds: Sequence[Kind]
) -> Estimate:
    """The doubly robust effect of arm ``k`` as a function of a log, every model fitted anew."""

    def estimate(log: ObservedLog) -> AdjustedEffect:
        tried = KINDS if kind == "average" else (kind,)
        chances = propensities_of(log, how, kinds=tried).propensities
        check_overlap(chances, log.arm, floor=floor)
        keep = trim(chances, log.arm, rule=how.trim, floor=floor).keep
        kinds = tuple(dict.fromkeys(outcome_kinds))
        expected = cross_fitted_outcomes(log, seed=how.seed, kinds=kinds).values
        return adjusted_effect(
            log, chances, k=k, target=how.target, floor=floor, expected=expected, among=keep
        )

    return estimate


def _effect(
    log: ObservedLog,
    fit: PropensityFit,
    expected: ExpectedOutcomes,
    keep: Rows,
    outcome: str,
    k: int,
    arms: Arms,
    how: Observational,
    floor: float,
) -> OutcomeEffect:
    def adjusted(guessed: Matrix | None) -> AdjustedEffect:
        return adjusted_effect(
            log,
            fit.propensities,
            k=k,
            target=how.target,
            floor=floor,
            expected=guessed,
            among=keep,
        )

    return OutcomeEffect(
        outcome, arms.names[k], naive_effect(log, k=k), adjusted(None), adjusted(expected.values)
    )


def _balance(
    log: ObservedLog,
    propensities: Matrix,
    keep: Rows,
    names: Sequence[str],
    arms: Arms,
    how: Observational,
    floor: float,
) -> list[CovariateBalance]:
    """Before: all units as they are. After: those that stay, weighted."""
    covariates, columns = covariate_columns(log.features, names, log.categorical)
    origin = np.nan_to_num(np.nanmean(covariates, axis=0))
    found = []
    for k in range(1, log.n_arms):
        weight = weights(propensities, log.arm, k=k, target=how.target, floor=floor)
        plain, weighted = (
            weighted_counts(
                covariates, log.arm, one, n_arms=log.n_arms, columns=columns, origin=origin
            )
            for one in (np.ones(log.n), weight * keep)
        )
        before = weighted_difference(plain, plain, k=k)
        after = weighted_difference(weighted, plain, k=k)
        found += [
            CovariateBalance(arms.names[k], column, float(one), float(other))
            for column, one, other in zip(columns, before, after, strict=True)
        ]
    return found


def _refutations(
    logs: Mapping[str, ObservedLog],
    fit: PropensityFit,
    expected: Mapping[str, ExpectedOutcomes],
    effects: Sequence[OutcomeEffect],
    arms: Arms,
    how: Observational,
    floor: float,
) -> dict[str, tuple[Refutation, ...]]:
    if not how.refute:
        return {}
    outcome, log = next(iter(logs.items()))
    found = {}
    for effect in effects:
        if effect.outcome == outcome:
            k = arms.number_of(effect.arm)
            estimate = estimate_of(k, how, floor, fit.model.kind, expected[outcome].kinds)
            found[f"{outcome}: {effect.arm}"] = refute(
                log, estimate, fit.propensities, seed=how.seed, before=effect.doubly_robust
            )
    return found


def _sensitivity(
    log: ObservedLog,
    fit: PropensityFit,
    keep: Rows,
    effect: OutcomeEffect,
    arms: Arms,
    how: Observational,
    floor: float,
) -> Sensitivity:
    k = arms.number_of(effect.arm)
    weight = weights(fit.propensities, log.arm, k=k, target=how.target, floor=floor) * keep
    control = log.arm == CONTROL
    risk = float(np.average(log.outcome[control], weights=weight[control]))
    if np.isin(log.outcome, (0.0, 1.0)).all() and risk > 0.0 and effect.doubly_robust.value > -risk:
        ratio = ratio_of_risks(effect.doubly_robust, risk)
    else:
        spreads = [float(np.var(log.outcome[log.arm == one])) for one in (CONTROL, k)]
        ratio = ratio_of_difference(effect.doubly_robust, float(np.sqrt(np.mean(spreads))) or 1.0)
    gamma, bounds = None, None
    if how.target != "overlap":
        given = log, fit.propensities
        gamma = smallest_gamma(*given, k=k, target=how.target, floor=floor, among=keep)
        bounds = marginal_bounds(
            *given, k=k, target=how.target, floor=floor, gamma=WEAK_GAMMA, among=keep
        )
    return Sensitivity(
        effect.outcome, effect.arm, e_value(ratio.value), e_value_of_interval(ratio), gamma, bounds
    )
