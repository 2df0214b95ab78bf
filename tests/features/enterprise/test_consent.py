"""Consent as of a time: what was said, when it was known, and what silence means."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from features.clock import micros
from features.enterprise.consent import consented
from features.enterprise.schema import CONSENTS

# enterprise, said on, known on, purpose, granted: days of 2026
SAID = [
    ("a", 10, 10, "train", False),
    ("a", 20, 20, "train", True),
    ("a", 5, 5, "share", True),
    ("b", 10, 15, "train", False),
    ("c", 10, 10, "train", True),
    ("c", 10, 12, "train", False),  # corrected: it had been withdrawn
]


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


def table() -> pa.Table:
    names = ("enterprise_id", "event_time", "recorded_at", "purpose", "granted")
    rows = [dict(zip(names, (one, day(said), day(known), *rest), strict=True)) for one, said, known, *rest in SAID]
    return pa.Table.from_pylist(rows, schema=CONSENTS.arrow)


@pytest.mark.parametrize(
    ("enterprise", "on", "purpose", "expected"),
    [
        ("a", 9, "train", True),  # nothing said yet
        ("a", 10, "train", False),
        ("a", 19, "train", False),
        ("a", 20, "train", True),  # granted again
        ("a", 20, "score", True),  # nothing said of it
        ("a", 4, "share", False),
        ("a", 6, "share", True),
        ("b", 14, "train", True),  # withdrawn, but nobody knew
        ("b", 15, "train", False),
        ("c", 11, "train", True),
        ("c", 12, "train", False),
        ("nobody", 20, "train", True),
        ("nobody", 20, "share", False),
    ],
)
def test_what_was_known_decides(enterprise: str, on: int, purpose: str, expected: bool) -> None:
    assert consented(table(), [enterprise], day(on), purpose).tolist() == [expected]


def test_many_observations_at_their_own_moments_give_what_each_gives_alone() -> None:
    rng = np.random.default_rng(3)
    ids = rng.choice(["a", "b", "c", "d"], 200).tolist()
    days = rng.integers(1, 25, 200)
    together = consented(table(), ids, np.array([micros(day(int(one))) for one in days]), "train")
    alone = [consented(table(), [one], day(int(on)), "train")[0] for one, on in zip(ids, days, strict=True)]
    assert together.tolist() == alone
    chunked = pa.chunked_array([pa.array(ids[:50]), pa.array(ids[50:])])
    assert consented(table(), chunked, day(12), "train").tolist() == consented(table(), ids, day(12), "train").tolist()


def test_no_rows_no_enterprises_no_such_purpose() -> None:
    nothing = CONSENTS.arrow.empty_table()
    assert consented(nothing, ["a", "a"], day(1), "score").tolist() == [True, True]
    assert consented(table(), [], day(1), "score").tolist() == []
    with pytest.raises(ValueError, match="no purpose 'sell'"):
        consented(nothing, ["a"], day(1), "sell")
