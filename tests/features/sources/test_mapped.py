"""Anyone's own files through a mapping, and what is said when mapping or files are wrong."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.account import TableCount
from features.errors import BadInput
from features.lake import Lake
from features.sources import mapped

NOW = datetime(2024, 6, 1, tzinfo=UTC)

MAPPING = """
name = "boiler-house"
timezone = "Asia/Shanghai"

[kind]
name = "press"
words_en = "hydraulic press"
words_zh = "液压机"
sensors = [
    { name = "oil_c", unit = "°C", low = -40, high = 150, words_en = "oil temperature", words_zh = "油温" },
    { name = "pressure_bar", unit = "bar", words_en = "pressure", words_zh = "压力" },
]
error_codes = [{ code = "E-7", words_en = "oil hot", words_zh = "油温高" }]

[[tables]]
table = "machines"
files = "register.csv"
columns = { machine_id = "asset", event_time = "in_service", model = "type", age_hours = "age_years" }
convert = { age_hours = { scale = 8766.0 } }

[[tables]]
table = "readings"
files = "telemetry/*.*"
columns = { machine_id = "asset", event_time = "ts", oil_c = "oil_f", pressure_bar = "p" }
convert = { oil_c = { scale = 0.5555555555555556, offset = -17.77777777777778 } }

[[tables]]
table = "events"
files = "alarms.csv"
delimiter = ";"
encoding = "gb18030"
columns = { machine_id = "asset", event_time = "raised", code = "alarm" }
delay_hours = 6
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    folder = tmp_path / "plant"
    (folder / "telemetry").mkdir(parents=True)
    write(folder, "mapping.toml", MAPPING)
    write(folder, "register.csv", "asset,in_service,type,age_years,note\nP1,2024-01-01,A,2,ok\nP2,2024-01-01,B,,\n")
    write(folder, "telemetry/may.csv", "asset,ts,oil_f,p\nP1,2024-05-01 08:00:00,212,5.5\nP1,2024-05-01T00:00:00Z,212,5.5\n")
    moments = pa.array([datetime(2024, 5, 2, 8), datetime(2024, 5, 2, 9)], pa.timestamp("ms"))  # noqa: DTZ001
    table = pa.table({"asset": ["P2", "P2"], "ts": moments, "oil_f": [32.0, None], "p": pa.array([1, 2], pa.int32())})
    pq.write_table(table, folder / "telemetry" / "later.parquet")
    (folder / "alarms.csv").write_bytes("asset;raised;alarm;说明\nP1;2024-05-01 08:00;E-7;油温高\n".encode("gb18030"))
    return folder


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def take(folder: Path, tmp_path: Path) -> tuple[Lake, dict[str, TableCount]]:
    lake = Lake.open(tmp_path / "lake", create=True, buckets=2)
    source = mapped.read(folder, folder / "mapping.toml", lake.kinds())
    return lake, lake.ingest(source, imported_at=NOW).tables


def refused(lake: Lake) -> list[tuple[str, int, str, str, str]]:
    rows: list[dict[str, Any]] = lake.quarantined().to_pylist()
    return [(row["file"], row["row"], row["column"], row["value"], row["reason"]) for row in rows]


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "mapping.toml").read_text(encoding="utf-8")
    assert old in text
    write(folder, "mapping.toml", text.replace(old, new))


def test_files_become_tables_with_units_zones_and_knowledge_times(plant: Path, tmp_path: Path) -> None:
    lake, counts = take(plant, tmp_path)
    assert {name: count.accepted for name, count in counts.items()} == {"machines": 2, "readings_press": 3, "events": 1}
    assert counts["readings_press"].duplicate == 1  # 08:00 in Shanghai and 00:00 UTC are one moment
    readings = lake.read("readings_press").to_pylist()
    assert [(row["machine_id"], row["event_time"], row["pressure_bar"]) for row in readings] == [
        ("P1", datetime(2024, 5, 1, tzinfo=UTC), 5.5),
        ("P2", datetime(2024, 5, 2, tzinfo=UTC), 1.0),
        ("P2", datetime(2024, 5, 2, 1, tzinfo=UTC), 2.0),
    ]
    assert [row["oil_c"] for row in readings] == [pytest.approx(100.0), pytest.approx(0.0), None]
    assert lake.read("machines")["age_hours"].to_pylist() == [2 * 8766.0, None]
    assert lake.read("machines")["event_time"][0].as_py() == datetime(2023, 12, 31, 16, tzinfo=UTC)
    event = lake.read("events").to_pylist()[0]
    assert (event["event_time"].hour, event["recorded_at"].hour, event["code"]) == (0, 6, "E-7")
    assert lake.accounts()[0]["source"] == "boiler-house"


def test_a_kind_of_the_lake_can_be_named(plant: Path, tmp_path: Path) -> None:
    take(plant, tmp_path)
    text = (plant / "mapping.toml").read_text(encoding="utf-8")
    start, stop = text.index("[kind]"), text.index("[[tables]]")
    write(plant, "press.toml", text[start:stop])
    write(plant, "mapping.toml", f'kind = "press"\n{text[:start]}{text[stop:]}')
    assert take(plant, tmp_path)[1]["readings_press"].duplicate == 4
    edit(plant, 'kind = "press"', 'kind = "press.toml"')
    assert take(plant, tmp_path)[1]["readings_press"].duplicate == 4
    edit(plant, 'kind = "press.toml"', 'kind = "prss"')
    with pytest.raises(BadInput, match=r"mapping\.toml: kind: the lake has no kind 'prss'; did you mean 'press'\?"):
        take(plant, tmp_path)


def test_broken_lines_and_cells_go_to_quarantine_with_row_and_text(plant: Path, tmp_path: Path) -> None:
    lines = [
        "asset,ts,oil_f,p",
        "P1,2024-05-01 08:00:00,212,5.5",
        "P1,2024-05-01 09:00:00,212",
        "P1,2024-05-01 10:00:00,hot,5.5",
        "P1,31.5.2024,212,5.5",
        "P1,2024-05-01 11:00:00,212,5.5,6",
        'P1,2024-05-01 12:00:00,"212,5.5',
        "P1,2024-05-01 13:00:00,9999,5.5",
        "P9,2024-05-01 14:00:00,212,5.5",
        "P1,2024-05-01 15:00:00,212,5.5",
    ]
    write(plant, "telemetry/may.csv", "\n".join(lines) + "\n")
    (plant / "telemetry" / "later.parquet").unlink()
    lake, counts = take(plant, tmp_path)
    assert counts["readings_press"] == TableCount(rows_in=9, accepted=2, quarantined=7)
    file = "telemetry/may.csv"
    assert refused(lake) == [
        (file, 2, "", lines[2], "broken line: 3 fields where the header has 4"),
        (file, 3, "oil_c", "hot", "not a number"),
        (file, 4, "event_time", "31.5.2024", "not a time (ISO 8601 is due)"),
        (file, 5, "", lines[5], "broken line: 5 fields where the header has 4"),
        (file, 6, "", lines[6], "broken line: a quote is not closed"),
        (file, 7, "oil_c", "5537.222222222223", "above 150 °C"),
        (file, 8, "machine_id", "P9", "unknown machine"),
    ]
    assert take(plant, tmp_path)[1]["readings_press"] == TableCount(rows_in=9, duplicate=2, quarantined=7)
    assert len(refused(lake)) == 7


def test_local_times_that_a_clock_change_skips_or_repeats_are_not_guessed(plant: Path, tmp_path: Path) -> None:
    edit(plant, "Asia/Shanghai", "Europe/Berlin")
    rows = ["2024-03-31 01:30", "2024-03-31 02:30", "2023-10-29 02:30", "2023-10-29 03:30"]
    write(plant, "telemetry/may.csv", "asset,ts,oil_f,p\n" + "".join(f"P1,{row},1,1\n" for row in rows))
    lake, _ = take(plant, tmp_path)
    reason = "a clock change of Europe/Berlin skips or repeats this time"
    assert [(row, value, why) for _, row, _, value, why in refused(lake)] == [(2, rows[1], reason), (3, rows[2], reason)]


def test_codes_that_the_kind_does_not_declare(plant: Path, tmp_path: Path) -> None:
    write(plant, "alarms.csv", "asset;raised;alarm\nP1;2024-05-01 08:00;E-8\n")
    assert refused(take(plant, tmp_path)[0]) == [("alarms.csv", 1, "code", "E-8", "not declared by kind press")]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[kind]", "[kind", "mapping.toml: not readable as TOML"),
        ("[kind]", "[kinds]", "mapping.toml: kinds: unknown key"),
        ('name = "press"', 'name = "Press"', "mapping.toml: kind: name: "),
        ("delay_hours = 6", "delay = 6", "mapping.toml: tables.2.delay: unknown key"),
        ("delay_hours = 6", "delay_hours = -6", "mapping.toml: tables.2.delay_hours: "),
        ("delay_hours = 6", "delay_hours = 1e12", "mapping.toml: tables.2.delay_hours: "),
        ("delay_hours = 6", "constants = { code = 'E-7' }", "tables.2: 'code' is both a column and a constant"),
        ("scale = 8766.0", "scale = nan", "scale: input should be a finite number"),
        ('delimiter = ";"', 'delimiter = "；"', "tables.2.delimiter: not one of the ASCII characters"),
        ('encoding = "gb18030"', 'encoding = "base64"', "tables.2.encoding: no encoding 'base64' that holds ASCII"),
        ('"register.csv"', '"reg**.csv"', "tables.0.files: '**' stands for folders"),
        ('table = "events"', 'table = "event"', "tables.2 (event): unknown table 'event'; did you mean 'events'?"),
        ('code = "alarm"', 'cod = "alarm"', "tables.2 (events): unknown column 'cod' for table events; did you mean 'code'?"),
        (', code = "alarm"', "", "tables.2 (events): column 'code' of table events is missing"),
        ('"oil_f"', '"Oil_F"', "later.parquet: no column 'Oil_F'; did you mean 'oil_f'? ("),
        ('"Asia/Shanghai"', '"Asia/Schanghai"', "timezone: no zone 'Asia/Schanghai'"),
        ('timezone = "Asia/Shanghai"', "", "later.parquet: column 'ts' holds times without zone; say whose clock it was"),
        ("convert = { age_hours", "convert = { model", "convert: 'model' is no mapped number"),
        ('"register.csv"', '"../register.csv"', "tables.0.files: the pattern leaves the folder"),
        ('"register.csv"', '"/etc/*.csv"', "tables.0.files: the pattern leaves the folder"),
        ('"register.csv"', '"registry.csv"', "tables.0 (machines): files: nothing in "),
        ('"register.csv"', '"mapping.*"', "mapping.toml is neither .csv nor .parquet"),
        ('"gb18030"', '"gb1803"', "tables.2.encoding: no encoding 'gb1803'"),
        ('"gb18030"', '"utf-8"', "name its encoding in a mapping"),
    ],
)
def test_a_wrong_mapping_is_one_clear_line(plant: Path, tmp_path: Path, old: str, new: str, line: str) -> None:
    edit(plant, old, new)
    with pytest.raises(BadInput) as caught:
        take(plant, tmp_path)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.mend


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("telemetry/may.csv", b"", "may.csv: the file is empty"),
        ("telemetry/later.parquet", b"", "later.parquet: the file is empty"),
        ("telemetry/later.parquet", b"PAR1 cut short", "later.parquet: not readable as Parquet"),
        ("register.csv", b"asset,asset,in_service,type,age_years\n", "register.csv: column 'asset' is there twice"),
    ],
)
def test_an_unreadable_file_is_one_clear_line(plant: Path, tmp_path: Path, name: str, content: bytes, line: str) -> None:
    (plant / name).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        take(plant, tmp_path)
    assert line in str(caught.value)


def test_a_parquet_cut_in_the_middle_stores_nothing(plant: Path, tmp_path: Path) -> None:
    path = plant / "telemetry" / "later.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3] + content[2 * len(content) // 3 :])
    with pytest.raises(BadInput, match=r"later\.parquet: not readable as Parquet"):
        take(plant, tmp_path)
    assert Lake.open(tmp_path / "lake").tables() == []


def test_naive_text_times_without_a_zone_in_the_mapping(plant: Path, tmp_path: Path) -> None:
    edit(plant, 'timezone = "Asia/Shanghai"', "")
    (plant / "telemetry" / "later.parquet").unlink()
    write(plant, "telemetry/may.csv", "asset,ts,oil_f,p\n" + "P1,2024-05-01 08:00:00,212,5.5\n" * 10)
    with pytest.raises(BadInput, match=r"may\.csv: column 'ts' holds no usable value: '2024-05-01 08:00:00' is a time without"):
        take(plant, tmp_path)


def test_a_link_does_not_lead_out_of_the_folder(plant: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text("asset,ts,oil_f,p\n")
    (plant / "telemetry" / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(BadInput, match="leads out of"):
        take(plant, tmp_path)


def test_a_file_with_a_header_alone_counts_no_rows(plant: Path, tmp_path: Path) -> None:
    write(plant, "alarms.csv", "asset;raised;alarm\n")
    assert take(plant, tmp_path)[1]["events"] == TableCount()


def test_quotes_that_are_never_closed_take_no_other_line_with_them(plant: Path, tmp_path: Path) -> None:
    broken = ['"P1,2024-05-01 08:30,1,1', 'P1,2024-05-01 09:30,1,"1']
    hours = [f"P1,2024-05-01 {hour:02d}:00,1,1" for hour in (8, 9, 10)]
    lines = ["", "asset,ts,oil_f,p", "", hours[0], broken[0], hours[1], broken[1], hours[2]]
    write(plant, "telemetry/may.csv", "\n".join(lines))
    lake, _ = take(plant, tmp_path)
    assert [(row, value, why) for file, row, _, value, why in refused(lake) if file == "telemetry/may.csv"] == [
        (2, broken[0], "broken line: a quote is not closed"),
        (4, broken[1], "broken line: a quote is not closed"),
    ]


def test_a_field_may_go_over_several_lines_beside_an_unclosed_quote(plant: Path, tmp_path: Path) -> None:
    rows = ['"P1",2024-05-01 08:00,"1\n ",1', '"P1,2024-05-01 09:00,1,1', "P1,2024-05-01 10:00,1,1"]
    write(plant, "telemetry/may.csv", "\n".join(["asset,ts,oil_f,p", *rows]))
    lake, _ = take(plant, tmp_path)
    found = [(value, why) for file, _, _, value, why in refused(lake) if file == "telemetry/may.csv"]
    assert found == [(rows[1], "broken line: a quote is not closed")]


@pytest.mark.parametrize("content", [b"\x00\x01\x02\xff", b"asset,ts,oil_f,p\nP1,3\n\xd6\xd0,3\n", b"asset\x00,ts\n"])
def test_a_file_that_is_no_text_is_one_line_and_nothing_else(
    plant: Path, tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (plant / "telemetry" / "may.csv").write_bytes(content)
    with pytest.raises(BadInput, match=r"may.csv: line \d is not utf-8 text; save it as UTF-8"):
        take(plant, tmp_path)
    assert not capfd.readouterr().err


def test_several_values_in_one_cell_stop_the_import(plant: Path, tmp_path: Path) -> None:
    path = plant / "telemetry" / "later.parquet"
    table = pq.read_table(path)
    lists = pa.array([[1.0, 2.0]] * len(table))
    pq.write_table(table.set_column(table.schema.get_field_index("oil_f"), "oil_f", lists), path)
    with pytest.raises(BadInput, match=r"column 'oil_f' holds several values a row \(list<element: double>\)"):
        take(plant, tmp_path)
