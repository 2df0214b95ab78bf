"""One past and what was learnt from it, for all tests of this folder."""

import pytest

from tests.training.enterprise import planted
from training.enterprise.fit import Learned, learn, periods
from training.enterprise.rows import Past


@pytest.fixture(scope="session")
def past() -> Past:
    return planted.past(300)


@pytest.fixture(scope="session")
def learned(past: Past) -> Learned:
    return learn(planted.CONFIG, past, periods(past.as_of, planted.CONFIG.periods))
