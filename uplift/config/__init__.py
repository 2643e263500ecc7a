"""The configuration: closed, frozen, read and checked once at the door."""

from uplift.config.evaluation import Evaluation, Gate, StabilityRules
from uplift.config.experiment import ExperimentChecks, Observational
from uplift.config.exports import Audience, Export, OneOf, Order, Range, Scheduled
from uplift.config.inputs import FlatLog, Inputs, RawInputs
from uplift.config.load import explain, load_config, load_yaml
from uplift.config.nightly import Monitoring, Online, Publishing, RedisSettings
from uplift.config.policy import Eligibility, PolicyRules, Segments
from uplift.config.section import Section
from uplift.config.sections import (
    Aggregate,
    Campaign,
    Config,
    EventFeature,
    Experiment,
    Features,
    RatioFeature,
    Simulation,
    SparkSettings,
    StaticFeature,
    Tracking,
    Treatment,
    Value,
)
from uplift.config.serving import Caps, Serving
from uplift.config.training import Candidate, Forest, Training
from uplift.config.tuning import Choices, SearchRange, Tuning

__all__ = [
    "Aggregate",
    "Audience",
    "Campaign",
    "Candidate",
    "Caps",
    "Choices",
    "Config",
    "Eligibility",
    "Evaluation",
    "EventFeature",
    "Experiment",
    "ExperimentChecks",
    "Export",
    "Features",
    "FlatLog",
    "Forest",
    "Gate",
    "Inputs",
    "Monitoring",
    "Observational",
    "OneOf",
    "Online",
    "Order",
    "PolicyRules",
    "Publishing",
    "Range",
    "RatioFeature",
    "RawInputs",
    "RedisSettings",
    "Scheduled",
    "SearchRange",
    "Section",
    "Segments",
    "Serving",
    "Simulation",
    "SparkSettings",
    "StabilityRules",
    "StaticFeature",
    "Tracking",
    "Training",
    "Treatment",
    "Tuning",
    "Value",
    "explain",
    "load_config",
    "load_yaml",
]
