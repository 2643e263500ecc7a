"""The configuration: closed, frozen, read and checked once at the door."""

from uplift.config.experiment import ExperimentChecks, Observational
from uplift.config.exports import Audience, Export, OneOf, Order, Range, Scheduled
from uplift.config.inputs import FlatLog, Inputs, RawInputs
from uplift.config.load import explain, load_config, load_yaml
from uplift.config.policy import Eligibility, PolicyRules, Segments
from uplift.config.section import Section
from uplift.config.sections import (
    Aggregate,
    Campaign,
    Config,
    Evaluation,
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

__all__ = [
    "Aggregate",
    "Audience",
    "Campaign",
    "Candidate",
    "Caps",
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
    "Inputs",
    "Observational",
    "OneOf",
    "Order",
    "PolicyRules",
    "Range",
    "RatioFeature",
    "RawInputs",
    "Scheduled",
    "Section",
    "Segments",
    "Serving",
    "Simulation",
    "SparkSettings",
    "StaticFeature",
    "Tracking",
    "Training",
    "Treatment",
    "Value",
    "explain",
    "load_config",
    "load_yaml",
]
