"""Operation and environment: states that hold until the next visible row, told by small tables."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalog import catalog
from features.errors import BadInput
from features.history import from_tables
from features.kinds import Action, MachineKind, Sensor, Term, parse_kind
from features.online import history_from_request, vector
from features.schema import ENVIRONMENT, FIXED, MACHINES, OPERATIONS, TableContract
from tests.features.test_online import payload
from tests.properties.histories import bits, breaks_law, features_of, table

START = datetime(2024, 1, 1, tzinfo=UTC)


def terms(*codes: str) -> tuple[Term, ...]:
    return tuple(Term(code=code, words_en=code, words_zh=code) for code in codes)


PRESS = MachineKind(
    name="press",
    words_en="press",
    words_zh="压机",
    sensors=(Sensor(name="heat", unit="°C", words_en="heat", words_zh="温度"),),
    modes=terms("idle", "full"),
    shifts=terms("day", "night"),
    actions=(
        Action(code="stop", words_en="stop", words_zh="停机", state="stopped"),
        Action(code="start", words_en="start", words_zh="启动", state="running"),
        Action(code="adjust", words_en="adjust", words_zh="调整"),
    ),
    environment=True,
    hot_c=30.0,
)
OPERATED = ["action", "mode", "load", "shift"]


def looked(rows: Sequence[tuple[object, ...]], hour: float, *, air: Sequence[tuple[object, ...]] = ()) -> dict[str, float]:
    """Features of m1 at `hour` by name. rows: (hour, delay, action, mode, load, shift); air: (hour, delay, °C, %)."""
    found = features_of(catalog(PRESS))(tables(rows, air), START + timedelta(hours=hour))
    return dict(zip(catalog(PRESS).names, found[0].tolist(), strict=True))


def tables(rows: Sequence[tuple[object, ...]], air: Sequence[tuple[object, ...]]) -> dict[str, pa.Table]:
    def made(contract: TableContract, content: Sequence[tuple[object, ...]], columns: list[str]) -> pa.Table:
        return table(contract, [("m1", *row) for row in content], columns)

    return {
        "machines": made(MACHINES, [(0.0, 0.0, "press")], ["kind"]),
        "operations": made(OPERATIONS, rows, OPERATED),
        "environment": made(ENVIRONMENT, air, ["ambient_temperature_c", "humidity_pct"]),
    }


# 0 h idle at 0.2, 12 h full at 1.0, 24 h said again, 30 h stopped, 36 h started and idle again.
DAY = [
    (0.0, 0.0, "set", "idle", 0.2, "day"),
    (12.0, 0.0, "set", "full", 1.0, "night"),
    (24.0, 0.0, "set", "full", 1.0, "day"),
    (30.0, 0.0, "stop", None, None, None),
    (36.0, 0.0, "start", "idle", 0.2, None),
]


def test_states_hold_until_the_next_row() -> None:
    seen = looked(DAY, 48.0)
    assert (seen["mode_now"], seen["mode_held"]) == (0.0, 12.0)
    # Of the day up to hour 48: full until 36, idle since.
    assert (seen["mode_full_share_24h"], seen["mode_idle_share_24h"]) == (0.5, 0.5)
    # Over 72 h only 48 h are known: idle 12 and 12, full 24.
    assert (seen["mode_full_share_72h"], seen["mode_changes_72h"], seen["mode_changes_24h"]) == (0.5, 2.0, 1.0)
    assert seen["operation_load_mean_24h"] == pytest.approx(0.6)
    assert seen["operation_load_std_24h"] == pytest.approx(0.4)
    assert (seen["operation_load_last"], seen["operation_load_max_24h"]) == pytest.approx((0.2, 1.0))
    assert seen["operation_load_diff_24h"] == pytest.approx(-0.8)
    assert math.isnan(seen["operation_load_diff_72h"])
    assert (seen["shift_now"], seen["shift_changes_24h"], seen["shift_changes_72h"]) == (0.0, 0.0, 2.0)


def test_running_time_is_told_by_actions_that_say_so() -> None:
    seen = looked(DAY, 48.0)
    # Nothing before the stop at hour 30 says whether it ran: of 18 known hours it ran 12.
    assert seen["running_share_24h"] == pytest.approx(12 / 18)
    assert seen["running_since_stop"] == 12.0
    assert looked(DAY, 33.0)["running_since_stop"] == 0.0
    assert math.isnan(looked(DAY, 29.0)["running_since_stop"])
    assert (seen["action_stop_count_24h"], seen["action_stop_since"]) == (1.0, 18.0)
    assert (seen["action_adjust_count_168h"], seen["actions_count_24h"], seen["actions_count_168h"]) == (0.0, 2.0, 5.0)
    assert math.isnan(seen["action_adjust_since"])


def test_edges_of_time() -> None:
    first = looked(DAY, 0.0)
    assert (first["mode_now"], first["mode_held"], first["operation_load_max_24h"]) == pytest.approx((0.0, 0.0, 0.2))
    assert math.isnan(first["operation_load_mean_24h"])  # no time of it is known yet
    before = looked([(5.0, 0.0, "set", "idle", 0.2, "day")], 4.0)
    assert all(math.isnan(value) for name, value in before.items() if name.startswith(("mode_", "operation_load", "shift_")))
    # A row that ends exactly where the window begins is outside it, its follower stands in all of it.
    edge = looked([(0.0, 0.0, "a", "full", 0.9, None), (6.0, 0.0, "b", "idle", 0.1, None)], 30.0)
    assert (edge["mode_idle_share_24h"], edge["operation_load_max_24h"]) == pytest.approx((1.0, 0.1))
    # Both at one moment: the later in contract order (by action) stands; the other never did.
    both = looked([(0.0, 0.0, "a", "full", 0.9, None), (0.0, 0.0, "b", "idle", 0.1, None)], 24.0)
    assert (both["mode_now"], both["mode_changes_24h"], both["operation_load_max_24h"]) == pytest.approx((0.0, 0.0, 0.1))


def test_late_and_corrected_rows_count_from_when_they_were_known() -> None:
    late = [DAY[0], (12.0, 20.0, "set", "full", 1.0, "night")]
    assert looked(late, 30.0)["mode_now"] == 0.0
    assert (looked(late, 33.0)["mode_now"], looked(late, 33.0)["mode_held"]) == (1.0, 21.0)
    corrected = [DAY[0], DAY[1], (12.0, 5.0, "set", "idle", 0.3, "night")]
    assert looked(corrected, 14.0)["mode_full_share_24h"] == pytest.approx(2 / 14)
    assert looked(corrected, 20.0)["mode_full_share_24h"] == 0.0
    assert looked(corrected, 20.0)["mode_held"] == 20.0


def test_a_code_that_is_not_declared_is_another_state() -> None:
    seen = looked([(0.0, 0.0, "set", "idle", None, "day"), (6.0, 0.0, "set", None, None, "dusk")], 24.0)
    assert (seen["mode_now"], seen["mode_idle_share_24h"]) == (0.0, 1.0)
    assert math.isnan(seen["shift_now"])
    assert seen["shift_changes_24h"] == 1.0


def test_the_air_around_the_machine() -> None:
    air = [(0.0, 0.0, 20.0, 50.0), (12.0, 0.0, 35.0, None), (18.0, 0.0, 25.0, 70.0)]
    seen = looked([], 24.0, air=air)
    assert seen["environment_temperature_last"] == 25.0
    assert seen["environment_temperature_mean_24h"] == pytest.approx((12 * 20 + 6 * 35 + 6 * 25) / 24)
    assert (seen["environment_temperature_min_24h"], seen["environment_temperature_max_24h"]) == (20.0, 35.0)
    assert seen["environment_temperature_diff_24h"] == 5.0
    assert seen["environment_hot_share_24h"] == 0.25
    assert seen["environment_humidity_mean_24h"] == pytest.approx(55.0)


OPERATION_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["m1", "m2"]),
        st.integers(0, 400).map(lambda quarters: quarters / 4),
        st.sampled_from([0.0, 0.0, 0.25, 3.0, 30.0]),
        st.sampled_from(["stop", "start", "adjust", "other"]),
        st.sampled_from([None, "idle", "full"]),
        st.sampled_from([None, 0.0, 0.5, 1.25]),
        st.sampled_from([None, "day", "night", "dusk"]),
    ),
    max_size=30,
)


@given(OPERATION_ROWS, st.integers(0, 500).map(lambda quarters: START + timedelta(hours=quarters / 4)))
@settings(max_examples=60, deadline=None)
def test_no_state_is_seen_before_it_was_known_and_online_is_offline(rows: list[tuple[object, ...]], as_of: datetime) -> None:
    wanted = catalog(PRESS)
    found = tables([], []) | {"operations": table(FIXED["operations"], rows, OPERATED)}
    assert [wanted.names[place] for place in breaks_law(features_of(wanted), found, as_of)] == []
    stored = vector(wanted, from_tables(PRESS, found, ["m1"]), as_of)
    posted = vector(wanted, history_from_request(PRESS, payload(PRESS, with_readings(found), "m1")), as_of)
    assert np.array_equal(bits(stored), bits(posted))


def with_readings(found: dict[str, pa.Table]) -> dict[str, pa.Table]:
    from features.schema import readings

    return found | {"readings_press": readings(PRESS).arrow.empty_table()}


def test_what_is_not_declared_has_no_features() -> None:
    bare = MachineKind(name="press", words_en="press", words_zh="压机", sensors=PRESS.sensors)
    assert {spec.family for spec in catalog(bare).specs} == {"sensors", "maintenance", "static"}
    modes = catalog(bare.model_copy(update={"modes": PRESS.modes})).names
    assert "mode_now" in modes
    assert not [name for name in modes if name.startswith(("shift", "running", "action", "environment"))]


def test_a_code_has_its_words() -> None:
    (spec,) = (spec for spec in catalog(PRESS).specs if spec.name == "mode_now")
    assert spec.categorical
    assert spec.levels_en == ("idle", "full")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"modes": [{"code": "a", "words_en": "a", "words_zh": "a"}] * 2}, "a mode is declared twice"),
        ({"hot_c": 30.0}, "hot_c needs environment = true"),
        ({"sampling": "on_change", "reference": True}, "reference compares means of regular readings"),
        ({"actions": [{"code": "a", "words_en": "a", "words_zh": "a", "state": "asleep"}]}, "actions.0.state"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_one_line(change: dict[str, object], line: str) -> None:
    document = {"name": "press", "words_en": "press", "words_zh": "p", "sensors": [PRESS.sensors[0].model_dump()]}
    parse_kind(document, "press.toml")
    with pytest.raises(BadInput, match=line):
        parse_kind(document | change, "press.toml")
