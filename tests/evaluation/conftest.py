"""Hillstrom's log as the room takes it."""

from pathlib import Path

import pandas as pd
import pytest

from uplift.arms import Arms

HILLSTROM_ARMS = Arms(("No E-Mail", "Mens E-Mail", "Womens E-Mail"))


@pytest.fixture(scope="session")
def mails(hillstrom: Path) -> pd.DataFrame:
    """The log with the arm as a number."""
    log = pd.read_csv(hillstrom)
    return log.assign(arm=log["segment"].map(HILLSTROM_ARMS.numbers()))
