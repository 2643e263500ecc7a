"""Every family by the name that `training.candidates` knows it by."""

from collections.abc import Mapping

from uplift.learners.causalml_forests import fit_causalml_causal_forest, fit_uplift_forest
from uplift.learners.dr_learner import fit_dr_learner
from uplift.learners.forest import fit_forest
from uplift.learners.meta import fit_t_learner
from uplift.learners.r_learner import fit_r_learner
from uplift.learners.recipe import Learner
from uplift.learners.reparametrised import fit_reparametrised
from uplift.learners.response import fit_response
from uplift.learners.s_learner import fit_s_learner
from uplift.learners.transformed import fit_class_transformation, fit_transformed_outcome
from uplift.learners.x_learner import fit_x_learner

FORESTS = ("causal_forest", "uplift_forest", "causalml_causal_forest")  # no boosters
RESPONSE = "response"  # a baseline to be beaten, no candidate

FAMILIES: Mapping[str, Learner] = {
    "t_learner": fit_t_learner,
    "s_learner": fit_s_learner,
    "class_transformation": fit_class_transformation,
    "transformed_outcome": fit_transformed_outcome,
    "reparametrised": fit_reparametrised,
    "x_learner": fit_x_learner,
    "r_learner": fit_r_learner,
    "dr_learner": fit_dr_learner,
    "causal_forest": fit_forest,
    "uplift_forest": fit_uplift_forest,
    "causalml_causal_forest": fit_causalml_causal_forest,
    RESPONSE: fit_response,
}
