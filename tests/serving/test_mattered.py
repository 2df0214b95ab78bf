"""The rows behind a reason: what is told of a row is what comes out when the row is really not there."""

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features import online
from features.history import from_tables
from features.schema import EVENTS, MAINTENANCE
from serving.champion import Champion, load_champion
from serving.explain import rows_behind
from serving.later import known_later
from serving.mattered import LATEST, STRETCHES, TOLD, Occlusion, Seen
from serving.scoring import score
from tests.serving.world import END, PUMP, START, World, hour

Tables = Mapping[str, pa.Table]
HOURS_LATE = 199  # a reading of this hour became known five hours later


@pytest.fixture(scope="module")
def champion(world: World) -> Champion:
    return load_champion(world.home, "pump")


def of_machine(world: World, machine_id: str) -> dict[str, pa.Table]:
    return {name: table.filter(pc.equal(table.column("machine_id"), machine_id)) for name, table in world.tables.items()}


def seen(tables: Tables, machine_id: str) -> Seen:
    return Seen(from_tables(PUMP, tables, [machine_id]), tables)


def p72(champion: Champion, tables: Tables, machine_id: str, at: Any = END) -> float:
    return score(champion, online.vector(champion.catalog, from_tables(PUMP, tables, [machine_id]), at)).p[-1]


def spec_of(champion: Champion, fits: Callable[[Any], bool]) -> Any:
    """The feature of those that fit which the bundle's trees use most."""
    gains = champion.bundle.model.members.gains()
    return max((s for s in champion.catalog.specs if fits(s)), key=lambda s: gains[champion.catalog.names.index(s.name)])


def without(table: pa.Table, start: Any, end: Any, sensor: str) -> pa.Table:
    """The table without a sensor's values from one moment to another."""
    inside = pc.and_(pc.greater_equal(table.column("event_time"), start), pc.less_equal(table.column("event_time"), end))
    values = pc.if_else(inside, pa.scalar(None, pa.float64()), table.column(sensor))
    return table.set_column(table.column_names.index(sensor), table.schema.field(sensor), values)


def test_a_stretch_of_readings_is_told_as_it_comes_out_without_it(world: World, champion: Champion) -> None:
    tables = of_machine(world, "p03")
    spec = spec_of(champion, lambda s: s.column == "vibration" and s.window_hours is not None and s.against_hours is None)
    occlusion = Occlusion(champion, seen(tables, "p03"), END)
    found = occlusion.stretches(spec)
    assert 0 < len(found) <= TOLD
    assert [abs(one.change) for _, one in found] == sorted((abs(one.change) for _, one in found), reverse=True)
    base = p72(champion, tables, "p03")
    for _, stretch in found:
        less = dict(tables) | {"readings_pump": without(tables["readings_pump"], stretch.start, stretch.end, "vibration")}
        left = p72(champion, less, "p03")
        assert stretch.p72_without == pytest.approx(left, rel=1e-9)
        assert stretch.change == pytest.approx(math.log(-math.log1p(-base)) - math.log(-math.log1p(-left)), rel=1e-6)
        assert END - timedelta(hours=spec.window_hours) < stretch.start <= stretch.end <= END
    row = found[0][1].rows[0]
    alone = without(tables["readings_pump"], row.event_time, row.event_time, "vibration")
    left = p72(champion, dict(tables) | {"readings_pump": alone}, "p03")
    assert row.change == pytest.approx(math.log(-math.log1p(-base)) - math.log(-math.log1p(-left)), abs=1e-9)
    assert list(row.values) == ["vibration"]


def test_an_event_and_a_replacement_are_told_as_they_come_out_without_them(world: World, champion: Champion) -> None:
    tables = of_machine(world, "p09")
    many = [START + timedelta(hours=h) for h in (100, 180, 260)]
    common = {"machine_id": "p09", "severity": None, "code": "e1"}
    events = pa.Table.from_pylist([common | {"event_time": t, "recorded_at": t} for t in many], schema=EVENTS.arrow)
    done = {"machine_id": "p09", "component": "seal", "action": "replace", "event_time": many[1], "recorded_at": many[1]}
    tables |= {"events": events, "maintenance": pa.Table.from_pylist([done], schema=MAINTENANCE.arrow)}
    occlusion = Occlusion(champion, seen(tables, "p09"), END)
    for table, wanted in (("events", EVENTS), ("replacements", MAINTENANCE), ("maintenance", MAINTENANCE)):
        told = [occlusion.stretches(spec) for spec in champion.catalog.specs if spec.table == table]
        found = {stretch.start: stretch for one in told for _, stretch in one}
        for stretch in found.values():
            row = stretch.rows[0]
            kept = pc.not_equal(tables[wanted.name].column("event_time"), pa.scalar(row.event_time))
            left = p72(champion, tables | {wanted.name: tables[wanted.name].filter(kept)}, "p09")
            assert stretch.p72_without == pytest.approx(left, rel=1e-9)
            assert row.table == wanted.name
            assert stretch.count == 1


def test_what_was_not_known_yet_is_behind_nothing(world: World, champion: Champion) -> None:
    at = hour(HOURS_LATE)
    tables = of_machine(world, "p03")
    occlusion = Occlusion(champion, seen(tables, "p03"), at)
    late = {row["event_time"] for row in tables["readings_pump"].to_pylist() if row["recorded_at"] > at}
    assert at in late
    for spec in champion.catalog.specs:
        for _, stretch in occlusion.stretches(spec):
            assert not late & {row.event_time for row in stretch.rows}
            assert all(row.recorded_at <= at for row in stretch.rows)


def test_every_feature_is_looked_into_and_none_too_often(
    world: World, champion: Champion, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, vectors = of_machine(world, "p03"), 0
    plain = online.vector

    def counted(*arguments: Any) -> Any:
        nonlocal vectors
        vectors += 1
        return plain(*arguments)

    monkeypatch.setattr("features.online.vector", counted)
    for spec in champion.catalog.specs[::7]:
        before = vectors
        Occlusion(champion, seen(tables, "p03"), END).stretches(spec)
        assert vectors - before <= 1 + max(STRETCHES + 2 * LATEST, LATEST)


def test_the_rows_come_with_words_in_both_languages(world: World, champion: Champion) -> None:
    tables = of_machine(world, "p03")
    x = online.vector(champion.catalog, from_tables(PUMP, tables, ["p03"]), END)
    found = rows_behind(champion, seen(tables, "p03"), END, score(champion, x, 5))
    assert len(found) == 5
    first = next(one for rows in found.values() for one in rows if one["table"] == "readings_pump")
    assert first["text_en"].startswith("Readings 20")
    assert "without" in first["text_en"]
    assert "若无，72 小时为" in first["text_zh"]
    assert first["rows"][0]["recorded_at"] >= first["rows"][0]["event_time"]


def test_what_became_known_later_is_listed_with_what_it_would_have_said(world: World, champion: Champion) -> None:
    at, tables = hour(HOURS_LATE), of_machine(world, "p03")
    later = known_later(champion, tables, seen(tables, "p03").history, at)
    assert later is not None
    assert later.count == 1
    assert later.rows[0].event_time == at
    readings = tables["readings_pump"]
    prompt = readings.set_column(1 + 0, "event_time", readings.column("event_time"))
    stamps = pc.if_else(
        pc.equal(prompt.column("event_time"), pa.scalar(at)), prompt.column("event_time"), prompt.column("recorded_at")
    )
    prompt = readings.set_column(readings.column_names.index("recorded_at"), readings.schema.field("recorded_at"), stamps)
    assert later.p72 == p72(champion, dict(tables) | {"readings_pump": prompt}, "p03", at)
    assert known_later(champion, tables, seen(tables, "p03").history, hour(HOURS_LATE - 1)) is None


def test_a_correction_that_came_later_stands_for_the_row_it_corrects(world: World, champion: Champion) -> None:
    tables, at = of_machine(world, "p03"), END - timedelta(hours=2)
    readings = tables["readings_pump"]
    wrong = readings.filter(pc.equal(readings.column("event_time"), pa.scalar(at))).to_pylist()[0]
    right = wrong | {"vibration": wrong["vibration"] * 0.4, "recorded_at": END}
    rows = sorted([*readings.to_pylist(), right], key=lambda row: (row["event_time"], row["recorded_at"]))
    tables |= {"readings_pump": pa.Table.from_pylist(rows, schema=readings.schema)}
    later = known_later(champion, tables, seen(tables, "p03").history, at)
    assert later is not None
    assert [row.values["vibration"] for row in later.rows] == [right["vibration"]]
    mended = [row for row in rows if row is not wrong and row != wrong]
    mended = [row | {"recorded_at": row["event_time"]} if row == right else row for row in mended]
    assert later.p72 == p72(
        champion, tables | {"readings_pump": pa.Table.from_pylist(mended, schema=readings.schema)}, "p03", at
    )
    assert not np.isclose(later.p72, p72(champion, tables, "p03", at))
