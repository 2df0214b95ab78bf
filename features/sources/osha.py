"""OSHA: narratives of construction accidents in the USA, 1,000 of them tagged with one of eleven causes.

Files, Parquet or CSV: `construction_4470_metadata*` (id, title, SUMMARY, industry); `tagged1000*` (id, Tagged2) if it is there.

Mapping. A narrative is a case of industry `construction`; its process is the SIC code (`sic_1761`), its cause the tag in the
terms of GB 6441 (CAUSE_OF), none where it was not tagged.

Clocks. No date is published but in the text: the first date written there is the accident's, at 00:00 UTC. A case without one,
or with a year that cannot be, is refused. It is known a year after: the abstract is written once the inspection is closed,
which may issue citations for six months (OSH Act, 9(c)), and published later.
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

NAME = "osha"
STEM, TAGGED_STEM = "construction_4470_metadata", "tagged1000"
PUBLISHED_DAYS = 365
CAUSE_OF = {
    "falls": "fall_from_height",
    "collapse of object": "collapse",
    "struck by moving objects": "struck_by_object",
    "struck by falling object": "struck_by_object",
    "electrocution": "electric_shock",
    "caught in/between objects": "machinery",
    "traffic": "vehicle",
    "fires and explosion": "fire",
    "exposure to chemical substances": "poisoning",
    "exposure to extreme temperatures": "burns",
    "others": "other",
}
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = rf"(?i)\b({_MONTHS})\s+(\d{{1,2}})(?:st|nd|rd|th)?\s*,?\s+(\d{{4}})\b"


def narratives(folder: Path) -> pd.DataFrame:
    """All narratives in the order of the file: id, title, SUMMARY, and the publisher's other codes where they are there.

    Raises BadInput naming file, row and column of what is missing or of another sort.
    """
    others = ("diagnosis", "occupation", "1st occupation", "cause", "fatcause")
    optional: dict[str, Sort] = {"fall dist": "number", **dict.fromkeys(others, "text")}
    columns: dict[str, Sort] = {"id": "whole", "title": "text", "SUMMARY": "name", "industry": "whole"}
    return frames.frame(folder, STEM, columns, optional)


def tagged(folder: Path, *, told: bool = True) -> pd.DataFrame:
    """The tagged narratives in the order of the file: id, title, Summary2, and Tagged2, one of CAUSE_OF. Raises BadInput.

    told: False leaves Tagged2 unread.
    """
    columns: dict[str, Sort] = {"id": "whole", "title": "text", "Summary2": "name"}
    columns |= {"Tagged2": "name"} if told else {}
    optional: dict[str, Sort] = dict.fromkeys(("cause", "newkeys", "title.new", "summary.new"), "text")
    return frames.frame(folder, TAGGED_STEM, columns, optional)


def read(directory: Path) -> Source:
    """The folder as a Source. Raises BadInput on a missing or unreadable file or column, before any row is read."""
    folder = files.folder(directory)
    for path in frames.paths(folder, STEM):
        files.check_columns(path, ["id", "industry", "title", "SUMMARY"])
    labels = files.find(folder, TAGGED_STEM)
    if labels is not None:
        files.check_columns(labels, ["id", "Tagged2"])

    def batches() -> Iterator[Batch]:
        causes = _causes(folder) if labels is not None else {}
        for rows in panels.read(folder, STEM, ["id", "industry"], ["title", "SUMMARY"]):
            yield _cases(rows, causes)

    return Source(NAME, (), batches, ("the date of a case is the first one written in its text; cases without are refused",))


def _causes(folder: Path) -> dict[float, str]:
    found: dict[float, str] = {}
    for rows in panels.read(folder, TAGGED_STEM, ["id"], ["Tagged2"]):
        known = rows.table[rows.table["Tagged2"].isin(list(CAUSE_OF))]
        found.update(zip(known["id"].tolist(), known["Tagged2"].map(CAUSE_OF).tolist(), strict=True))
    return found


def _cases(rows: Rows, causes: dict[float, str]) -> Batch:
    rows = rows.keep(rows.table["id"] == rows.table["id"].round(), "id", "not a number of a case")
    moments = first_date(rows.table["SUMMARY"])
    rows = rows.keep(moments.notna(), "SUMMARY", "a case without date")
    table, days = rows.table, moments[moments.notna()].to_numpy()
    industry = table["industry"]
    columns = {
        "industry": "construction",
        EVENT_TIME: days,
        RECORDED_AT: panels.days_later(days, PUBLISHED_DAYS),
        "case_id": [f"osha-{int(one)}" for one in table["id"]],
        "process": [f"sic_{int(code)}" if code == code else None for code in industry],
        "cause": [causes.get(one) for one in table["id"]],
        "title": table["title"],
        "narrative_en": table["SUMMARY"],
        "source": "OSHA",
    }
    return panels.batch(CASES, rows, table.index.tolist(), columns)


def first_date(texts: "pd.Series[str]") -> "pd.Series[pd.Timestamp]":
    """The first day that each text names in English words (`August 27, 2013`); missing where it names none that there is."""
    parts = texts.str.extract(_DATE)
    words = parts[0].str.title() + " " + parts[1] + " " + parts[2]
    return pd.to_datetime(words, format="%B %d %Y", errors="coerce").astype("datetime64[us]")
