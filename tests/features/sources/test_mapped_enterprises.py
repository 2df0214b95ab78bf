"""An insurer's own files about enterprises, through a mapping without machines."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import BadInput
from features.lake import Lake, RowAccount
from features.sources import mapped
from tests.features.plant import counts

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MAPPING = """
name = "insurer"
timezone = "Asia/Shanghai"

[[tables]]
table = "enterprises"
files = "register.csv"
encoding = "gb18030"
columns = { enterprise_id = "企业编号", event_time = "投保日", industry = "行业", region = "地区" }
codes = { industry = { "煤矿" = "mining", "食品" = "food" } }
constants = { currency = "CNY" }

[[tables]]
table = "exposures"
files = "hours/*.parquet"
columns = { enterprise_id = "firm", event_time = "month_end", starts = "month_start", amount = "thousand_hours" }
convert = { amount = { scale = 1000.0 } }
constants = { basis = "hours_worked" }
delay_hours = 240

[[tables]]
table = "hazards"
files = "hazards.csv"
columns = { enterprise_id = "firm", hazard_id = "no", event_time = "found", found_by = "who", grade = "level", repeated = "again" }
codes = { found_by = { "企业自查" = "self", "监管执法" = "authority" }, grade = { "一般" = "general", "重大" = "major" } }
constants = { supervised = false, due = "2026-05-01" }
"""  # noqa: E501, as a user would write it


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "files"
    (place / "hours").mkdir(parents=True)
    (place / "mapping.toml").write_text(MAPPING, "utf-8")
    register = "企业编号,投保日,行业,地区\nE1,2025-01-01,煤矿,太原\nE2,2025-01-01,food,\nE3,2025-01-01,航天,北京\n"
    (place / "register.csv").write_bytes(register.encode("gb18030"))
    starts, ends = [datetime(2025, 1, 1), datetime(2025, 2, 1)], [datetime(2025, 2, 1), datetime(2025, 3, 1)]  # noqa: DTZ001
    hours = {"firm": ["E1", "E1"], "month_start": starts, "month_end": ends, "thousand_hours": [12.5, 0.0]}
    pq.write_table(pa.table(hours), place / "hours" / "2025.parquet")
    hazards = (
        "firm,no,found,who,level,again\n"
        "E1,h1,2025-03-01 08:00,企业自查,一般,是\n"
        "E1,h2,2025-03-02 08:00,监管执法,重大,\n"
        "E2,h3,2025-03-02 08:00,邻居,一般,否\n"
    )
    (place / "hazards.csv").write_text(hazards, "utf-8")
    return place


def take(folder: Path, root: Path) -> tuple[Lake, RowAccount]:
    lake = Lake.open(root / "lake", create=True)
    return lake, lake.ingest(mapped.read(folder, folder / "mapping.toml"), imported_at=NOW)


def test_columns_units_zones_constants_and_codes_become_rows(folder: Path, tmp_path: Path) -> None:
    lake, account = take(folder, tmp_path)
    assert {name: counts(count) for name, count in account.tables.items()} == {
        "enterprises": (3, 2, 0, 0, 1),
        "exposures": (2, 2, 0, 0, 0),
        "hazards": (3, 2, 0, 0, 1),
    }
    assert lake.kinds() == {}
    enterprises = lake.read("enterprises").to_pylist()
    assert [(row["enterprise_id"], row["industry"], row["region"], row["currency"]) for row in enterprises] == [
        ("E1", "mining", "太原", "CNY"),
        ("E2", "food", None, "CNY"),
    ]
    assert enterprises[0]["event_time"] == datetime(2024, 12, 31, 16, tzinfo=UTC)
    exposures = lake.read("exposures").to_pylist()
    assert [row["amount"] for row in exposures] == [12_500.0, 0.0]
    assert exposures[0]["recorded_at"] == datetime(2025, 2, 10, 16, tzinfo=UTC)
    hazards = lake.read("hazards").to_pylist()
    assert [(row["found_by"], row["grade"], row["supervised"], row["repeated"]) for row in hazards] == [
        ("self", "general", False, True),
        ("authority", "major", False, None),
    ]
    assert hazards[0]["due"] == datetime(2026, 4, 30, 16, tzinfo=UTC)
    refused = {row["table"]: (row["column"], row["value"]) for row in lake.quarantined().to_pylist()}
    assert refused == {"enterprises": ("industry", "航天"), "hazards": ("found_by", "邻居")}


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('table = "hazards"', 'table = "hazard"', "unknown table 'hazard'; did you mean 'hazards'?"),
        ('table = "hazards"', 'table = "machine_risk"', "unknown table 'machine_risk'"),
        ('table = "exposures"', 'table = "readings"', "tables.1 (readings): no kind is named; say kind = "),
        ("codes = { found_by", "codes = { due", "codes: 'due' is no mapped column of codes"),
        ("codes = { industry", "codes = { event_time", "codes: 'event_time' is no mapped column of codes"),
        ('"煤矿" = "mining"', '"煤矿" = 6', "tables.0.codes.industry.煤矿: input should be a valid string"),
        ('due = "2026-05-01"', 'due = "in May"', "constants.due: 'in May' is no moment"),
        ("convert = { amount", "convert = { basis", "convert: 'basis' is no mapped number"),
        ('constants = { basis = "hours_worked" }', "", "column 'basis' of table exposures is missing"),
        ('"thousand_hours"', '"hours"', "2025.parquet: no column 'hours'; did you mean 'thousand_hours'?"),
    ],
)
def test_a_wrong_mapping_is_one_clear_line(folder: Path, tmp_path: Path, old: str, new: str, line: str) -> None:
    text = (folder / "mapping.toml").read_text("utf-8")
    assert old in text
    (folder / "mapping.toml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(BadInput) as caught:
        take(folder, tmp_path)
    assert line in str(caught.value) and "\n" not in str(caught.value) and caught.value.mend
