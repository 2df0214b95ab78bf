"""What is asked of plans over HTTP: read as the files are, refused in one line that names the row."""

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import BadInput, NotFound, UserError
from serving.books.cells import FaultyBook
from serving.errors import TooLarge
from serving.inspection.conflicts import Clash
from serving.inspection.model import DAY, Window
from serving.plans.facts import read_inspectors, read_sites, read_ways
from serving.plans.planning import Conflicting
from serving.plans.request import MOST_BYTES, of_request, plan_of, replan_of
from tests.serving.test_any_body import ANYTHING, places

MONDAY = date(2026, 11, 23)
ASKED: dict[str, Any] = {"week": "2026-W48", "as_of": "2026-11-20T00:00:00Z"}
PEOPLE: list[dict[str, Any]] = [
    {
        "inspector_id": "a", "name": "王", "latitude": 30.5, "longitude": 104, "skills": "gas@2026-11-29;dust@2026-11-28;fire",
        "regions": "north;east", "days": "mon-wed;fri", "hours": "8:00-16:30", "leave": "2026-11-24", "provider": "P",
    },
    {"inspector_id": "b", "latitude": 31, "longitude": 105, "leave": "2026-11-01..2026-11-24;2026-11-27"},
    {"inspector_id": 7, "latitude": "1,000e-3", "longitude": 0},
]  # fmt: skip
SITES: list[dict[str, Any]] = [
    {
        "enterprise_id": "e", "site_id": "s", "latitude": 30, "longitude": 104, "skills": "gas", "minutes": 90,
        "windows": "周一-周二 08:00-12:00;sat 9:00-10:00", "colour": "红", "known": "a", "region": "north", "mode": "remote",
        "pinned_inspector": "a", "pinned_start": "2026-11-25 09:30",
    },
    {"enterprise_id": "e", "site_id": "t", "windows": "closed"},
    {"enterprise_id": "e", "site_id": "u"},
]  # fmt: skip
WAYS = [{"from": "a", "to": "e/s", "minutes": 17.4}, {"from": "e/s", "to": "a", "minutes": 0}]


def body(**changes: Any) -> bytes:
    return json.dumps({**ASKED, "inspectors": PEOPLE, **changes}).encode()


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, sorted({name for row in rows for name in row}))
        table.writeheader()
        table.writerows(rows)
    return path


def test_rows_of_a_request_are_those_of_the_files(tmp_path: Path) -> None:
    asked, keep = plan_of(body(sites=SITES, travel=WAYS, holidays=["2026-11-25"], keep=False))
    assert asked.people == read_inspectors(written(tmp_path / "p.csv", PEOPLE), MONDAY, [date(2026, 11, 25)])
    assert asked.sheets == read_sites(written(tmp_path / "s.csv", SITES), MONDAY)
    assert asked.ways == read_ways(written(tmp_path / "w.csv", WAYS)) == {("a", "e/s"): 17, ("e/s", "a"): 0}
    assert not keep and asked.people[2].inspector.inspector_id == "7"


def test_lists_are_what_texts_with_separators_are() -> None:
    lists = {name: str(PEOPLE[0][name]).split(";") for name in ("skills", "regions", "days", "leave")}
    windows = {"windows": str(SITES[0]["windows"]).split(";")}
    one, _ = plan_of(body(sites=SITES))
    other, _ = plan_of(body(inspectors=[{**PEOPLE[0], **lists}, *PEOPLE[1:]], sites=[{**SITES[0], **windows}, *SITES[1:]]))
    assert one == other
    closed, _ = plan_of(body(sites=[{**SITES[1], "windows": []}]))
    assert closed.sheets["e", "t"].windows == ()
    free, _ = plan_of(body(inspectors=[{**PEOPLE[1], "skills": [], "leave": None, "days": []}]))
    assert free.people[0].inspector.shifts[1] == Window(DAY + 510, DAY + 1050) and not free.people[0].inspector.skills


def test_defaults_are_those_of_the_command_line() -> None:
    asked, keep = plan_of(json.dumps({**ASKED, "inspectors": PEOPLE}).encode())
    assert (asked.zone, asked.seconds, asked.listed, asked.leave_out, asked.seed, asked.ways) == (
        "Asia/Shanghai", 10.0, False, False, None, None,
    )  # fmt: skip
    assert keep and asked.sheets == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"a\nb": 1}, "'a\\nb': unknown key; known are week"),
        ({"sites": [{"a\nb": 1}]}, "sites[0].'a\\nb': unknown key"),
        ({"inspectors": [{**PEOPLE[1], "skils": 1}]}, "inspectors[0].skils: unknown key; known are inspector_id, latitude"),
        ({"inspectors": [PEOPLE[0], {**PEOPLE[1], "hours": "8-17"}]}, "inspectors[1].hours: '8-17' are no hours"),
        ({"inspectors": [PEOPLE[0], PEOPLE[0]]}, "inspectors[1]: inspector a is there twice"),
        ({"inspectors": [{**PEOPLE[1], "latitude": 91}]}, "inspectors[0].latitude: 91 is above 90"),
        ({"inspectors": [{**PEOPLE[1], "latitude": True}]}, "inspectors[0].latitude: true is no value here"),
        ({"inspectors": [{**PEOPLE[1], "latitude": [1]}]}, "inspectors[0].latitude: a list is no value here"),
        ({"inspectors": [{**PEOPLE[1], "skills": {"gas": 1}}]}, "inspectors[0].skills: an object is no value here"),
        ({"inspectors": [{**PEOPLE[1], "skills": [1]}]}, "inspectors[0].skills: a list is no value here"),
        ({"inspectors": [{**PEOPLE[1], "name": "a\x00b"}]}, "inspectors[0].name: a text with control characters"),
        ({"inspectors": [{**PEOPLE[1], "skills": ["a\nb"]}]}, "inspectors[0].skills: a text with control characters"),
        ({"inspectors": [{**PEOPLE[1], "inspector_id": 10**400}]}, "inspectors[0].inspector_id: a number beyond"),
        ({"inspectors": [{**PEOPLE[1], "latitude": float("nan")}]}, "inspectors[0].latitude: a number beyond"),
        ({"inspectors": [{**PEOPLE[1], "name": "x" * 201}]}, "inspectors[0].name: a text of 201 characters"),
        ({"inspectors": [{**PEOPLE[1], "inspector_id": " "}]}, "inspectors[0].inspector_id: no inspector id; send it"),
        (
            {"inspectors": [{**PEOPLE[1], "hours": "x"}, {**PEOPLE[0], "hours": "y"}]},
            "inspectors[0].hours: 'x' are no hours (1 more fault); write",
        ),
        ({"sites": [{**SITES[0], "pinned_start": "soon"}]}, "sites[0].pinned_start: 'soon' is no start"),
        ({"sites": [{**SITES[0], "pinned_start": None}]}, "sites[0]: half a pin"),
        ({"sites": [{**SITES[0], "minutes": 1.5}]}, "sites[0].minutes: 1.5 is no whole number"),
        ({"sites": [SITES[2], SITES[2]]}, "sites[1]: site e/u is there twice"),
        ({"travel": [{"from": "a", "minutes": 3}]}, "travel[0].to: no end of the way"),
        ({"holidays": ["2026-11-25", 5]}, "holidays[1]: 5 is no date"),
        ({"holidays": [None]}, "holidays[0]: no day; send it"),
        ({"sites": {}}, "sites: "),
        ({"inspectors": None}, "inspectors: "),
        ({"seconds": 0}, "seconds: "),
        ({"keep": 1}, "keep: "),
    ],
)
def test_a_mistake_names_its_place(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        plan_of(body(**changes))
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


def test_what_is_missing_or_too_large() -> None:
    with pytest.raises(BadInput, match="inspectors: missing"):
        plan_of(json.dumps(ASKED).encode())
    with pytest.raises(TooLarge):
        plan_of(b" " * (MOST_BYTES + 1))
    with pytest.raises(BadInput, match=r"travel\[0\].minutes: no minutes of the way"):
        replan_of(b'{"absent": ["a"], "travel": [{"from": "a", "to": "b"}]}')


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (NotFound("gone", where="--alarm", mend="name a later --as-of"), NotFound, "alarm: gone; name a later as_of"),
        (BadInput("past", where="WEEK", mend="say --leave-out"), BadInput, "week: past; say leave_out"),
        (Conflicting([Clash("site s", "cannot be", "mend it")]), BadInput, "site s: cannot be; mend it"),
        (FaultyBook([BadInput("bad", where="sites[0]")], 1), BadInput, "sites[0]: bad"),
    ],
)
def test_options_of_the_command_line_are_keys_of_the_body(error: UserError, kind: type[UserError], said: str) -> None:
    found = of_request(error)
    assert (type(found), str(found)) == (kind, said)


WHOLE: dict[str, Any] = {
    **ASKED, "inspectors": PEOPLE, "sites": SITES, "travel": WAYS, "holidays": ["2026-11-25"], "zone": "UTC", "seed": "0" * 32,
    "listed": False, "leave_out": True, "seconds": 1.5, "keep": False,
}  # fmt: skip
CELLS = st.sampled_from(
    ["mon", "8:00-9:00", "2026-11-25", "2026-11-25..9999-12-31", "9999-12-31", "closed", "a@2026-11-30", "9999-W52", "9000-W53"]
)


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(places(WHOLE)), value=ANYTHING | CELLS)
def test_whatever_is_sent_is_read_or_refused_in_one_line(path: tuple[Any, ...], value: Any) -> None:
    document = json.loads(json.dumps(WHOLE))
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    try:
        asked, _ = plan_of(json.dumps(document).encode())
    except UserError as error:
        assert str(error) and "\n" not in str(of_request(error))
    else:
        assert asked.people
