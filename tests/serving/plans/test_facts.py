"""Files of inspectors and sites: what is read, and one clear line for what is wrong."""

from datetime import date
from pathlib import Path

import openpyxl
import pytest

from features.errors import BadInput
from serving.inspection.model import DAY, Mode, Window
from serving.plans.cells import windows_of
from serving.plans.facts import has_sites, read_inspectors, read_sites, read_ways

MONDAY = date(2026, 11, 23)


def csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.csv"
    path.write_text(text, "utf-8")
    return path


def test_inspectors(tmp_path: Path) -> None:
    text = (
        "inspector_id,name,latitude,longitude,skills,regions,days,hours,leave,provider\n"
        "a,王,30.5,104,gas@2026-11-27;dust@2026-11-26;fire,north;east,mon-wed;fri,8:00-16:30,2026-11-24,P\n"
        "b,,31,105,,,,,2026-11-01..2026-11-24;2026-11-27,\n"
    )
    one, other = read_inspectors(csv(tmp_path, text), MONDAY, [date(2026, 11, 23)])
    assert (one.latitude, one.longitude, one.inspector.name, one.inspector.provider) == (30.5, 104.0, "王", "P")
    assert one.inspector.skills == {"gas", "fire"} and one.inspector.regions == {"north", "east"}
    assert one.inspector.shifts == (Window(2 * DAY + 480, 2 * DAY + 990), Window(4 * DAY + 480, 4 * DAY + 990))
    assert [shift.start // DAY for shift in other.inspector.shifts] == [2, 3]
    assert not other.inspector.skills and not other.inspector.regions


def test_a_workbook_with_sites_and_holidays(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "inspectors"
    for row in (("inspector_id", "latitude", "longitude"), ("a", 30.0, 104.0)):
        book.active.append(row)
    for name, rows in {"holidays": (("day",), (MONDAY,)), "sites": (("enterprise_id", "site_id"), ("e", "s"))}.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    path = tmp_path / "week.xlsx"
    book.save(path)
    assert [shift.start // DAY for shift in read_inspectors(path, MONDAY)[0].inspector.shifts] == [1, 2, 3, 4]
    assert has_sites(path) and list(read_sites(path, MONDAY)) == [("e", "s")]
    assert not has_sites(csv(tmp_path, "a\n1\n"))


def test_sites(tmp_path: Path) -> None:
    text = (
        "enterprise_id,site_id,latitude,longitude,windows,skills,minutes,mode,colour,known,region,pinned_inspector,pinned_start\n"
        "e,s,30,104,周一-周二 08:00-12:00;sat 9:00-10:00,gas,90,remote,红,a,north,a,2026-11-25 09:30\n"
        "e,t,,,closed,,,,,,,,\n"
        "e,u,,,,,,,,,,,\n"
    )
    sites = read_sites(csv(tmp_path, text), MONDAY)
    one = sites["e", "s"]
    assert one.windows == (Window(480, 720), Window(DAY + 480, DAY + 720), Window(5 * DAY + 540, 5 * DAY + 600))
    assert (one.minutes, one.mode, one.colour, one.pinned) == (90, Mode.REMOTE, "red", ("a", 2 * DAY + 570))
    assert sites["e", "t"].windows == () and sites["e", "u"].windows is None


def test_ways(tmp_path: Path) -> None:
    assert read_ways(csv(tmp_path, "from,to,minutes\na,e/s,45\ne/s,a,50.4\n")) == {("a", "e/s"): 45, ("e/s", "a"): 50}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("inspector_id,latitude,longitude\na,30,\n", "row 2, column longitude: no longitude of the home; fill in the cell"),
        ("inspector_id,latitude\na,30\n", "no column longitude; give the longitude of the home"),
        ("inspector_id,latitude,longitude\na,95,1\n", "row 2, column latitude: 95 is above 90"),
        ("inspector_id,latitude,longitude\na,1,1\na,2,2\n", "row 3: inspector a is there twice"),
        ("inspector_id,latitude,longitude,skils\na,1,1,x\n", "skils: unknown column"),
        ("inspector_id,latitude,longitude,hours\na,1,1,17:00-8:00\n", "a window from 17:00-8:00 never opens"),
        ("inspector_id,latitude,longitude,hours\na,1,1,8-17\n", "'8-17' are no hours"),
        ("inspector_id,latitude,longitude,hours\na,1,1,8:00-24:30\n", "no hours of a day"),
        ("inspector_id,latitude,longitude,days\na,1,1,fri-mon\n", "'fri-mon' are no days"),
        ("inspector_id,latitude,longitude,leave\na,1,1,2026-13-01\n", "'2026-13-01' is no day"),
        ("inspector_id,latitude,longitude,leave\na,1,1,2026-12-01..2026-11-01\n", "no span of days"),
        ("inspector_id,latitude,longitude\n", "no row below the header"),
    ],
)
def test_inspectors_at_fault(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_inspectors(csv(tmp_path, text), MONDAY)
    assert told in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "cell", "told"),
    [
        ("windows", "mon 18:00-08:00", "never opens"),
        ("windows", "08:00-18:00", "is no window"),
        ("latitude", "30", "half a coordinate"),
        ("pinned_inspector", "a", "half a pin"),
        ("pinned_inspector,pinned_start", "a,2026-11-30 09:00", "not in the week of 2026-11-23"),
        ("pinned_inspector,pinned_start", "a,soon", "'soon' is no start"),
        ("mode", "drone", "'drone' is no mode"),
        ("minutes", "0", "0 is below 1"),
    ],
)
def test_sites_at_fault(tmp_path: Path, column: str, cell: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        read_sites(csv(tmp_path, f"enterprise_id,site_id,{column}\ne,s,{cell}\n"), MONDAY)


def test_a_site_twice(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="row 3: site e/s is there twice"):
        read_sites(csv(tmp_path, "enterprise_id,site_id\ne,s\ne,s\n"), MONDAY)


def test_every_fault_is_counted(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="1 more fault"):
        read_inspectors(csv(tmp_path, "inspector_id,latitude,longitude,hours\na,1,1,x\nb,1,1,y\n"), MONDAY)


def test_windows_that_are_named_twice_count_once() -> None:
    assert windows_of("mon 08:00-10:00; mon 08:00-10:00", "w") == (Window(480, 600),)
