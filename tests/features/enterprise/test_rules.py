"""Rows of enterprises on the way in: what is refused and why, what is a correction, and accounts that always balance."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import compaction
from features.clock import known_at
from features.compactor import compact_log, compacted
from features.enterprise import rules
from features.enterprise.schema import (
    ACCIDENTS,
    CASES,
    CLAIMS,
    CREDIT,
    ENTERPRISE_TABLES,
    ENTERPRISES,
    EXPOSURES,
    HAZARDS,
    PERMITS,
    POLICIES,
    SPENDING,
)
from features.enterprise.vocabulary import EXPOSURE_BASES, HIGH_RISK, INDUSTRIES
from features.errors import BadInput
from features.lake import Lake
from features.live import Live
from features.log import Writer
from features.receive import receive
from features.schema import MACHINES, TableContract
from tests.features import plant
from tests.features.enterprise.firms import FIRMS, NOW, START, accident, day, firm, period, source
from tests.features.plant import counts


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True, buckets=2)


def case(**more: Any) -> dict[str, Any]:
    return {"industry": "mining", "event_time": day(1), "case_id": "1", **more}


def claim(valued: float, paid: float, **more: Any) -> dict[str, Any]:
    return {"enterprise_id": "a", "event_time": day(9), "claim_id": "1", "valued_at": day(valued), "paid": paid, **more}


def hazard(**more: Any) -> dict[str, Any]:
    own = {"hazard_id": "1", "found_by": "self", "grade": "general", "supervised": False}
    return {"enterprise_id": "a", "event_time": day(5), **own, **more}


def policy(**more: Any) -> dict[str, Any]:
    return {"enterprise_id": "a", "event_time": day(0), "policy_id": "1", "ends": day(365), **more}


REFUSED = [
    (ACCIDENTS, accident("a", 3, direct_loss=-1), "direct_loss", "below 0 currency"),
    (ACCIDENTS, accident("a", 3, deaths=-1), "deaths", "below 0 persons"),
    (ACCIDENTS, accident("a", 3, direct_loss="much"), "direct_loss", "not a number"),
    (ACCIDENTS, accident("a", -1), "event_time", "before the enterprise exists"),
    (ACCIDENTS, accident("nobody", 3), "enterprise_id", "unknown enterprise"),
    (ACCIDENTS, accident("b", 3, direct_loss=5, currency="CNY"), "currency", "not the enterprise's currency, USD"),
    (ACCIDENTS, accident("a", 3, direct_loss=5, currency="EUR"), "currency", "not the enterprise's currency, CNY"),
    (ACCIDENTS, accident("a", 3, currency="yuan"), "currency", "not of the form [A-Z]{3}"),
    (ACCIDENTS, accident("a", 3, deaths=None), "deaths", "empty"),
    (ACCIDENTS, {**accident("a", 3), "event_time": None}, "event_time", "empty"),
    (ACCIDENTS, {**accident("a", 3), "event_time": "2025-01-04 08:00"}, "event_time", "a time without zone"),
    (ENTERPRISES, firm("c", industry="minning"), "industry", "unknown industry: data/README.md lists those that there are"),
    (ENTERPRISES, firm("c", founded=datetime(1492, 1, 1, tzinfo=START.tzinfo)), "founded", "before 1500"),
    (CASES, case(event_time=None), "event_time", "empty"),
    (CASES, case(industry="space"), "industry", "unknown industry: data/README.md lists those that there are"),
    (CASES, case(narrative_zh="长" * 20_001), "narrative_zh", "text of more than 20000 characters"),
    (EXPOSURES, period("a", 0, 10, None), "amount", "empty"),
    (EXPOSURES, period("a", 0, 10, -1), "amount", "below 0"),
    (EXPOSURES, period("a", 10, 10), "event_time", "before starts or at it"),
    (EXPOSURES, period("a", 0, 10, basis="tons"), "basis", "unknown basis: one of hours_worked, headcount, payroll, miles, "),
    (SPENDING, {"enterprise_id": "a", "event_time": day(9), "purpose": "ppe", "starts": day(1), "amount": -5},
     "amount", "below 0"),
    (CLAIMS, claim(8, 100), "valued_at", "before event_time"),
    (CLAIMS, claim(20, -100), "paid", "below 0 currency"),
    (HAZARDS, hazard(rectified=day(4)), "rectified", "before event_time"),
    (HAZARDS, hazard(found_by="dog"), "found_by", "unknown found_by: one of self, insurer, authority, third_party is due"),
    (POLICIES, policy(ends=day(0)), "ends", "before event_time or at it"),
    (POLICIES, policy(ends=datetime(2300, 1, 1, tzinfo=START.tzinfo)), "ends", "after 2200"),
    (CREDIT, {"enterprise_id": "a", "event_time": day(1), "rating": "A", "blacklisted": "perhaps", "repaired": "no"},
     "blacklisted", "neither yes nor no"),
]  # fmt: skip


@pytest.mark.parametrize(("contract", "row", "column", "reason"), REFUSED)
def test_a_row_that_breaks_a_rule_is_quarantined_with_its_reason(
    lake: Lake, contract: TableContract, row: dict[str, Any], column: str, reason: str
) -> None:
    account = lake.ingest(source(FIRMS, (contract, [row])), imported_at=NOW)
    found = lake.quarantined().to_pylist()
    assert [(one["table"], one["row"], one["column"]) for one in found] == [(contract.name, 1, column)]
    assert found[0]["reason"].startswith(reason)
    assert account.total.quarantined == 1 and account.total.accepted == 2


ACCEPTED = [
    (ACCIDENTS, accident("a", 0)),  # at the moment from which it exists
    (ACCIDENTS, accident("b", 3, direct_loss=5, currency="USD")),
    (ACCIDENTS, accident("b", 3, direct_loss=5)),  # in the enterprise's currency
    (ACCIDENTS, accident("a", 3, direct_loss=5, currency="CNY")),
    (EXPOSURES, period("a", 0, 10, 0)),  # nobody worked
    (CLAIMS, claim(9, 0)),
    (POLICIES, policy(ends=day(900))),  # beyond the import
    (PERMITS, {"enterprise_id": "a", "event_time": day(1), "permit_id": "1", "kind": "blasting", "state": "granted",
               "expires": day(2_000)}),
    (CREDIT, {"enterprise_id": "a", "event_time": day(1), "rating": "AA", "blacklisted": "否", "repaired": "yes"}),
    (ENTERPRISES, firm("c", founded=datetime(1908, 1, 1, tzinfo=START.tzinfo))),
    (CASES, case(narrative_zh="第一行\n第二行\t完")),
]  # fmt: skip


@pytest.mark.parametrize(("contract", "row"), ACCEPTED)
def test_what_is_unusual_and_right_is_accepted(lake: Lake, contract: TableContract, row: dict[str, Any]) -> None:
    account = lake.ingest(source(FIRMS, (contract, [row])), imported_at=NOW)
    assert account.total.quarantined == 0 and account.total.accepted == 3
    assert lake.read(contract.name).num_rows == account.tables[contract.name].accepted


def test_an_enterprise_exists_since_it_was_founded(lake: Lake) -> None:
    founded = (ENTERPRISES, [firm("old", founded=day(-800)), firm("young", founded=day(30))])
    rows = [accident("old", -700), accident("old", -900, accident_id="2"), accident("young", 3)]
    account = lake.ingest(source(founded, (ACCIDENTS, rows)), imported_at=NOW)
    assert counts(account.tables["accidents"]) == (3, 2, 0, 0, 1)
    assert lake.quarantined().to_pylist()[0]["value"].startswith("2022-07-16")


def test_the_rows_of_a_refused_enterprise_go_with_it_and_it_stands_first(lake: Lake) -> None:
    broken = source((ENTERPRISES, [firm("x", industry="?")]), (ACCIDENTS, [accident("x", 3)]))
    account = lake.ingest(broken, imported_at=NOW)
    assert counts(account.total) == (2, 0, 0, 0, 2)
    assert [row["table"] for row in lake.quarantined().to_pylist()] == ["enterprises", "accidents"]


def test_a_hazard_that_is_rectified_is_a_correction_and_was_open_until_then(lake: Lake) -> None:
    lake.ingest(source(FIRMS, (HAZARDS, [hazard(due=day(20), recorded_at=day(6))])), imported_at=NOW)
    rectified = [hazard(due=day(20), rectified=day(25), recorded_at=day(26))]
    account = lake.ingest(source((HAZARDS, rectified)), imported_at=NOW)
    assert counts(account.total) == (1, 0, 1, 0, 0)
    rows = lake.read(HAZARDS.name)
    assert [known_at(rows, HAZARDS, day(on)).column("rectified").to_pylist() for on in (5, 25, 26)] == [[], [None], [day(25)]]


def test_each_valuation_of_a_claim_is_a_fact_of_its_own(lake: Lake) -> None:
    valuations = [claim(30, 100, recorded_at=day(31)), claim(90, 250, recorded_at=day(91))]
    account = lake.ingest(source(FIRMS, (CLAIMS, valuations)), imported_at=NOW)
    assert counts(account.tables["claims"]) == (2, 2, 0, 0, 0)
    assert known_at(lake.read(CLAIMS.name), CLAIMS, day(60)).column("paid").to_pylist() == [100.0]


def test_of_overlapping_periods_the_one_that_comes_later_is_refused(lake: Lake) -> None:
    first = [period("a", 0, 30), period("a", 30, 60), period("a", 0, 60, basis="headcount"), period("b", 0, 60)]
    assert lake.ingest(source(FIRMS, (EXPOSURES, first)), imported_at=NOW).total.quarantined == 0
    more = [period("a", 20, 40), period("a", 5, 10), period("a", -10, 90), period("a", 60, 90), period("a", 59, 91)]
    account = lake.ingest(source((EXPOSURES, more)), imported_at=NOW)
    # The third begins before the enterprise exists but ends after: what counts is that it overlaps.
    assert counts(account.total) == (5, 1, 0, 0, 4)
    found = lake.quarantined().to_pylist()
    assert {(row["column"], row["reason"]) for row in found} == {("starts", rules.OVERLAP)}
    assert [row["row"] for row in found] == [1, 2, 3, 5]
    again = lake.ingest(source((EXPOSURES, more)), imported_at=NOW)
    assert counts(again.total) == (5, 0, 0, 1, 4) and lake.quarantined().num_rows == 4


def test_a_period_is_corrected_by_one_of_the_same_end(lake: Lake) -> None:
    lake.ingest(source(FIRMS, (EXPOSURES, [period("a", 0, 30), period("a", 30, 60)])), imported_at=NOW)
    corrected = [period("a", 10, 30, 5.0), period("a", 20, 60), period("a", 0, 10)]
    account = lake.ingest(source((EXPOSURES, corrected)), imported_at=NOW + timedelta(days=1))
    # The second one would reach back into its neighbour; the third fits where the first one made room.
    assert counts(account.total) == (3, 1, 1, 0, 1)


@settings(deadline=None)
@given(st.data())
def test_periods_are_judged_as_one_by_one(data: st.DataObject) -> None:
    drawn = st.tuples(st.sampled_from("ab"), st.sampled_from(["payroll", "miles"]), st.integers(0, 8), st.integers(1, 4))
    rows = [
        period(firm_, first, first + length, basis=basis) | {"recorded_at": day(50)}
        for firm_, basis, first, length in data.draw(st.lists(drawn, max_size=12))
    ]
    cut = data.draw(st.integers(0, len(rows)))
    judged = [_as_rows(rows[:cut]), _as_rows(rows[cut:])]
    expected = _one_by_one(rows)
    stored = EXPOSURES.arrow.empty_table()
    found: list[bool] = []
    for number, part in enumerate(judged):
        refused = rules.overlapping(stored, part, EXPOSURES)
        found += refused.tolist()
        recorded = pa.array([day(50 + number)] * part.num_rows, EXPOSURES.arrow.field(2).type)
        taken = part.set_column(2, "recorded_at", recorded).filter(pa.array(~refused))
        stored = pa.concat_tables([stored, taken.cast(EXPOSURES.arrow)])
    assert found == expected


def _as_rows(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=EXPOSURES.arrow)


def _one_by_one(rows: list[dict[str, Any]]) -> list[bool]:
    """The slow way: each row against all that were kept."""
    kept: dict[tuple[Any, ...], datetime] = {}
    refused = []
    for row in rows:
        key = (row["enterprise_id"], row["basis"], row["event_time"])
        meets = any(
            other[:2] == key[:2] and other != key and start < row["event_time"] and row["starts"] < other[2]
            for other, start in kept.items()
        )
        refused.append(meets)
        if not meets:
            kept[key] = row["starts"]
    return refused


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_the_account_balances_whatever_comes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    lake = Lake.open(tmp_path_factory.mktemp("lake"), create=True, buckets=2)
    names, days = st.sampled_from(["a", "b", "nobody"]), st.integers(-2, 6)
    accidents = st.builds(
        lambda name, on, loss: accident(name, on, direct_loss=loss), names, days, st.sampled_from([-1, 0, None])
    )
    periods = st.builds(
        lambda name, on, amount: period(name, on, on + 2, amount), names, days, st.sampled_from([-1, 0, 1, None])
    )
    stored = 0
    for _ in range(2):
        some = data.draw(st.tuples(st.lists(accidents, min_size=1, max_size=4), st.lists(periods, min_size=1, max_size=4)))
        account = lake.ingest(source(FIRMS, (ACCIDENTS, some[0]), (EXPOSURES, some[1])), imported_at=NOW)
        # Each count adds up by construction (TableCount), so what is left to see is that it counts what came and what is there.
        assert [account.tables[name].rows_in for name in ("accidents", "exposures")] == [len(part) for part in some]
        stored += sum(account.tables[name].accepted + account.tables[name].corrected for name in ("accidents", "exposures"))
        assert stored == lake.read("accidents").num_rows + lake.read("exposures").num_rows


# Rows from outside, through the log


@pytest.fixture
def writer(lake: Lake) -> Iterator[Writer]:
    opened = Writer.open(lake.root)
    yield opened
    opened.close()


def send(live: Live, writer: Writer, contract: TableContract, rows: list[dict[str, Any]]) -> Any:
    names = list(dict.fromkeys(key for row in rows for key in row))
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    entry = receive(contract, table, NOW, live.kinds_of, live.lake.kinds(), live.enrolled)
    writer.append(entry)
    return entry


def test_the_log_takes_rows_of_enterprises_that_it_brought_itself(lake: Lake, writer: Writer) -> None:
    live = Live(lake)
    assert send(live, writer, ACCIDENTS, [accident("a", 3)]).refused["reason"].to_pylist() == ["unknown enterprise"]
    send(live, writer, ENTERPRISES, [firm("a"), firm("b", currency="USD")])
    sent = [accident("a", 3), accident("a", -3), accident("b", 3, currency="CNY"), accident("b", 4)]
    assert send(live, writer, ACCIDENTS, sent).refused["row"].to_pylist() == [2, 3]
    compact_log(lake)
    assert send(Live(lake), writer, ACCIDENTS, [accident("b", 9)]).refused.num_rows == 0
    compact_log(lake)
    assert lake.read("accidents").num_rows == 3
    assert counts(compacted(lake.root).account().total) == (8, 5, 0, 0, 3)


def test_overlapping_periods_of_the_log_are_found_when_it_moves_into_the_table(lake: Lake, writer: Writer) -> None:
    live = Live(lake)
    send(live, writer, ENTERPRISES, [firm("a")])
    assert send(live, writer, EXPOSURES, [period("a", 0, 30), period("a", 30, 60)]).refused.num_rows == 0
    assert send(live, writer, EXPOSURES, [period("a", 10, 40), period("a", 60, 90)]).refused.num_rows == 0
    compact_log(lake)
    send(live, writer, EXPOSURES, [period("a", 80, 95)])
    compact_log(lake)
    assert counts(compacted(lake.root).account().tables["exposures"]) == (5, 3, 0, 0, 2)
    assert lake.quarantined(table="exposures")["reason"].to_pylist() == [rules.OVERLAP] * 2


def test_an_accident_that_names_a_machine_is_no_row_of_that_machine(lake: Lake, writer: Writer) -> None:
    lake.ingest(plant.source(plant.FLEET), imported_at=plant.NOW)
    live = Live(lake)
    send(live, writer, ENTERPRISES, [firm("a")])
    send(live, writer, ACCIDENTS, [accident("a", 3, machine_id="m1"), accident("a", 4)])
    assert live.machine("m1").added == {}
    assert live.kinds_of(["m1"]) == {"m1": "press"}


def test_a_process_that_dies_between_two_tables_leaves_a_lake_that_a_rerun_completes(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    periods = [period("a", 0, 30), period("a", 10, 40)]
    whole = source(FIRMS, (EXPOSURES, periods), (ACCIDENTS, [accident("a", 3), accident("nobody", 3)]))
    append, calls = Lake.append, []

    def dying(self: Lake, contract: TableContract, *others: Any) -> None:
        calls.append(contract.name)
        append(self, contract, *others)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Lake, "append", dying)
    with pytest.raises(KeyboardInterrupt):
        lake.ingest(whole, imported_at=NOW)
    monkeypatch.undo()
    assert calls == ["enterprises", "accidents", "exposures"] and lake.quarantined().num_rows == 0
    account = lake.ingest(whole, imported_at=NOW)
    assert counts(account.total) == (6, 0, 0, 4, 2) and lake.quarantined().num_rows == 2


# The lake's other verbs on these tables


def test_rows_are_read_by_enterprise_compacted_and_told_of(lake: Lake) -> None:
    names = [f"e{number}" for number in range(20)]
    for part in range(3):
        rows = [period(name, 10 * part, 10 * part + 10) for name in names]
        lake.ingest(source((ENTERPRISES, [firm(name) for name in names]), (EXPOSURES, rows)), imported_at=NOW)
    before = lake.read("exposures")
    assert lake.read("exposures", machine_ids=["e3", "e7"]).num_rows == 6
    assert {one.table for one in compaction.compact(lake, whole=True)} == {"exposures"}
    assert lake.read("exposures").equals(before) and lake.read("exposures", machine_ids=["e3"]).num_rows == 3
    assert {name: len(found) for name, found in lake.history().items()}.keys() == {"enterprises", "exposures"}
    assert MACHINES.name not in lake.tables()


def test_a_column_that_is_missing_or_unknown_stops_the_import(lake: Lake) -> None:
    with pytest.raises(BadInput, match="column 'industry' of table enterprises is missing; it has: enterprise_id") as error:
        lake.ingest(source((ENTERPRISES, [{"enterprise_id": "a", "event_time": START}])), imported_at=NOW)
    assert "\n" not in str(error.value)


def test_every_table_keeps_its_clocks_its_key_and_its_words() -> None:
    for name, contract in ENTERPRISE_TABLES.items():
        assert contract.name == name
        assert contract.arrow.names[:3] == [contract.entity, "event_time", "recorded_at"]
        assert len(set(contract.arrow.names)) == len(contract.arrow.names)
        assert set(contract.key) <= set(contract.arrow.names)
        assert {order.first for order in contract.orders} | {order.second for order in contract.orders} <= set(
            contract.arrow.names
        )
    assert len(HIGH_RISK) == 8
    assert all(
        industry.words_en and industry.words_zh and bool(industry.source) == industry.high_risk for industry in INDUSTRIES
    )
    page = (Path(__file__).parents[3] / "data" / "README.md").read_text("utf-8")
    assert all(f"`{code}`" in page for code in (*ENTERPRISE_TABLES, *(one.code for one in INDUSTRIES), *EXPOSURE_BASES))
    assert np.unique([industry.code for industry in INDUSTRIES]).size == len(INDUSTRIES)
