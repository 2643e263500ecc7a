"""Models that are fitted beside the challenger, to judge it by: they never serve.

The response model predicts who buys, and is there to be beaten; two refits on halves of the
training rows show whether the other half would have taught the same.
"""

from dataclasses import dataclass, replace

from uplift.learners.families import RESPONSE
from uplift.learners.model import UpliftModel, load_model
from uplift.workspace import Workspace

COMPANIONS = (RESPONSE, "half_a", "half_b")
_COMPANION_OF = "companion_of"


@dataclass(frozen=True)
class Companions:
    """Those of one challenger; null where there are none."""

    response: UpliftModel | None
    halves: tuple[UpliftModel, UpliftModel] | None


def save_companion(
    workspace: Workspace, name: str, companion: UpliftModel, *, challenger: UpliftModel
) -> None:
    """Put a companion into the workspace, marked with the version of its challenger."""
    metadata = {**companion.metadata, _COMPANION_OF: challenger.version}
    replace(companion, metadata=metadata).save(workspace.companion(name))


def load_companions(workspace: Workspace, challenger: UpliftModel) -> Companions:
    """The companions of this challenger; what stands there of another one is left aside."""
    models: list[UpliftModel | None] = []
    for name in COMPANIONS:
        folder = workspace.companion(name)
        model = load_model(folder) if folder.is_dir() else None
        is_ours = model is not None and model.metadata.get(_COMPANION_OF) == challenger.version
        models.append(model if is_ours else None)
    response, one, other = models
    return Companions(response, (one, other) if one and other else None)
