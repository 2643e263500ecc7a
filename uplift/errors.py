"""Everything that can go wrong, named for the promise that was broken.

A message has three parts: the culprit with its value, how much is affected, and the way out.
"""


class UpliftError(Exception):
    """The one base; ``except UpliftError`` catches all that this project raises on purpose."""


class ConfigError(UpliftError):
    """The configuration is not what it says it is."""


class ContractError(UpliftError):
    """A table or file breaks its contract: missing, empty, or with columns or values amiss."""


class ExperimentError(UpliftError):
    """The experiment cannot carry a causal claim."""


class OverlapError(UpliftError):
    """Some unit had no real chance of some arm."""


class ModelNotReadyError(UpliftError):
    """There is no model, or no published run, that could answer."""


class VersionMismatchError(UpliftError):
    """Two things that must belong together do not: model, policy, features."""


class BudgetError(UpliftError):
    """The budget or the coupon prices cannot be satisfied."""


class PeerLostError(UpliftError):
    """A machine that works with others on one task is gone, or silent for too long.

    Attributes:
        is_silent: Nobody knows whether it lives.
    """

    def __init__(self, message: str, *, is_silent: bool = False) -> None:
        super().__init__(message)
        self.is_silent = is_silent
