"""Property: whatever is posted, the answer is a score in order or one clear line; never anything else."""

import copy
import math
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import UserError
from features.kinds import MachineKind
from serving.champion import Champion
from serving.posted import parse
from serving.scoring import posted_vector, score
from tests.serving.world import PUMP, made_bundle, tables_of_fleet

NOW = datetime(2026, 2, 1, tzinfo=UTC)
VALID: dict[str, Any] = {
    "machine": {"machine_id": "p1", "kind": "pump", "model": "A", "age_hours": 10.0, "event_time": "2025-12-01T00:00:00Z"},
    "as_of": "2026-01-01T03:00:00Z",
    "readings": [
        {"event_time": f"2026-01-01T{h:02d}:00:00Z", "volt": 170.0 + h, "rotate": 450, "pressure": None, "vibration": 40.5}
        for h in range(4)
    ],
    "events": {"event_time": ["2026-01-01T01:30:00+00:00"], "code": ["e1"], "recorded_at": ["2026-01-01T02:30:00+00:00"]},
    "maintenance": [{"event_time": "2026-01-01T01:30:00Z", "component": "seal", "action": None}],
    "failures": [{"event_time": "2026-01-01T00:30:00Z", "component": "seal"}],
    "operations": [{"event_time": "2026-01-01T00:30:00Z", "action": "start", "load": 0.5, "mode": None}],
    "environment": [{"event_time": "2026-01-01T00:30:00Z", "ambient_temperature_c": 20, "humidity_pct": None}],
    "reasons": 2,
}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["2026-01-01T02:00:00Z", "2026-01-01T02:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "e1", "seal"]
    )
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All paths in a JSON document but the root."""
    inner = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    return [place for key, value in inner for place in ((*path, key), *places(value, (*path, key)))]


def changed(path: tuple[Any, ...], value: Any, *, remove: bool) -> dict[str, Any]:
    document = copy.deepcopy(VALID)
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    if remove:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return document


@cache
def champion() -> Champion:
    bundle = made_bundle(tables_of_fleet(), seed=1)
    return Champion(bundle, bundle.catalog, bundle.manifest.bundle_id)


def kind_of(name: str) -> MachineKind:
    assert isinstance(name, str)
    return PUMP


def judge(body: bytes) -> bool:
    """True for a score, False for a refusal in one line; anything else fails."""
    try:
        posted = parse(body, kind_of, now=NOW)
    except UserError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
        assert error.mend
        return False
    x, window, notes = posted_vector(champion(), posted)
    result = score(champion(), x, 1, window)
    assert 0 <= result.p[0] <= result.p[1] <= result.p[2] <= 1
    assert all(low <= p <= high for low, p, high in zip(result.low, result.p, result.high, strict=True))
    assert not any(math.isnan(p) for p in result.p)
    assert all("\n" not in note for note in notes)
    return True


def test_the_unchanged_request_is_scored() -> None:
    assert judge(orjson.dumps(VALID))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(places(VALID)), ANYTHING, st.booleans())
def test_a_request_changed_in_one_place(path: tuple[Any, ...], value: Any, remove: bool) -> None:
    judge(orjson.dumps(changed(path, value, remove=remove)))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60) | ANYTHING.map(orjson.dumps))
def test_a_body_that_is_anything(body: bytes) -> None:
    assert not judge(body)
