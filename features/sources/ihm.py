"""IHM: 425 accidents at twelve plants of mining and metals in three countries, 2016 and 2017, with level and description.

File, Parquet or CSV: `accidents_en*` (on Kaggle: Industrial Safety and Health Analytics Database).

Mapping. An accident is a case of industry `mining`, `metal_smelting` or `other`; its cause is the publisher's critical risk as
a code, its process the plant. The publisher's accident level (I to VI) is no number of deaths or injuries: both stay empty.

Clocks. Dates (day first) are declared UTC. The plants are taken to share a case 30 days after it happened.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from features.enterprise.schema import CASES
from features.schema import EVENT_TIME, RECORDED_AT
from features.sources import files, frames, panels
from features.sources.frames import Sort
from features.sources.panels import Rows
from features.sources.reader import Batch, Source

NAME = "ihm"
STEM = "accidents_en"
SHARED_DAYS = 30
INDUSTRY_OF = {"Mining": "mining", "Metals": "metal_smelting", "Others": "other"}
_TEXTS = ("Data", "Local", "Industry Sector", "Critical Risk", "Description")
_DAY_FIRST = "%d-%m-%Y %H:%M"
_ISO = "ISO8601"


def frame(folder: Path) -> pd.DataFrame:
    """The accidents in the order of the file. Raises BadInput naming file, row and column of what is missing."""
    more = ("Countries", "Accident Level", "Potential Accident Level", "Genre", "Employee or Third Party")
    columns: dict[str, Sort] = {**dict.fromkeys(_TEXTS, "name"), **dict.fromkeys(more, "text")}
    return frames.frame(folder, STEM, columns)


def read(directory: Path) -> Source:
    """The folder as a Source. Raises BadInput on a missing or unreadable file or column, before any row is read."""
    folder = files.folder(directory)
    for path in frames.paths(folder, STEM):
        files.check_columns(path, _TEXTS)

    def batches() -> Iterator[Batch]:
        for rows in panels.read(folder, STEM, (), _TEXTS):
            yield _cases(rows)

    return Source(NAME, (), batches, ("accident levels are the publisher's own: deaths and injuries are not known",))


def _cases(rows: Rows) -> Batch:
    moments = pd.to_datetime(rows.table["Data"], format=_DAY_FIRST, errors="coerce")
    # Kaggle's own file writes 2016-01-01 00:00:00.
    moments = moments.fillna(pd.to_datetime(rows.table["Data"], format=_ISO, errors="coerce"))
    rows = Rows(rows.path, rows.table.assign(moment=moments), rows.refused)
    rows = rows.keep(moments.notna(), "Data", "a case without date")
    table = rows.table
    days = table["moment"].to_numpy()
    sectors = table["Industry Sector"]
    columns = {
        "industry": sectors.map(INDUSTRY_OF).fillna(sectors),
        EVENT_TIME: days,
        RECORDED_AT: panels.days_later(days, SHARED_DAYS),
        "case_id": [f"ihm-{row}" for row in table.index],
        "process": panels.codes(table["Local"]),
        "cause": panels.codes(table["Critical Risk"]),
        "narrative_en": table["Description"],
        "source": "IHM",
    }
    return panels.batch(CASES, rows, table.index.tolist(), columns)
