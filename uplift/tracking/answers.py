"""What a logged model answers: a frame of named numbers for a frame of raw features."""

import pandas as pd
import pyarrow as pa

from uplift.errors import ContractError
from uplift.learners.model import UpliftModel


def answer_columns(model: UpliftModel) -> list[str]:
    """Names of the answer's columns: expected outcome of every arm, uplift of every treatment.

    Arms are named, so the order of the columns means nothing.
    """
    return [name for outcome in model.outcomes for name in _columns_of(outcome, model)]


def answer(model: UpliftModel, frame: pd.DataFrame) -> pd.DataFrame:
    """Expected outcomes and uplifts of units with these raw features, one row per row of ``frame``.

    Columns that are no feature of the model are left aside; a missing value is a missing value
    whether pandas calls it NaN, None or NA.
    """
    encoder = model.encoder
    present = [name for name in encoder.names if name in frame.columns]
    try:
        table = pa.Table.from_pandas(frame[present], preserve_index=False)
    except pa.ArrowException as error:
        raise ContractError(
            f"the features of {len(frame)} rows hold values of mixed type: "
            f"{' '.join(str(error).split())}. Give numbers or text, one kind in a column."
        ) from error
    features = encoder.encode(table)
    answers: dict[str, object] = {}
    for outcome in model.outcomes:
        expected, cate = model.expected_outcome(features, outcome), model.cate(features, outcome)
        numbers = [*expected.T, *cate.T]
        answers |= dict(zip(_columns_of(outcome, model), numbers, strict=True))
    return pd.DataFrame(answers, index=frame.index)


def _columns_of(outcome: str, model: UpliftModel) -> list[str]:
    expected = [f"expected_{outcome}_{arm}" for arm in model.arms.names]
    return expected + [f"uplift_{outcome}_{arm}" for arm in model.arms.treatments]
