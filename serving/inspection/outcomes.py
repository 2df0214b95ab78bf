"""What came of a visit: outcome, effort, findings with grade and due date; and the loop of rectification they enter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from features.errors import BadInput

OUTCOMES = ("done", "partial", "refused")
LET_IN = ("done", "partial")
GRADES = ("general", "major")
MOST_FINDINGS, LONGEST, MOST_HOURS = 500, 2_000, 200.0
MOST_YEARS = 50  # to rectify a finding
_KEYS = {"visit_id", "outcome", "at", "hours", "by", "note", "findings"}
_OF_FINDING = {"grade", "kind", "due", "note", "supervised"}


@dataclass(frozen=True)
class Finding:
    """A hazard that a visit found. due: the last day to rectify it; supervised: under listed supervision (挂牌督办)."""

    grade: str
    kind: str
    due: date
    note: str = ""
    supervised: bool = False

    def document(self) -> dict[str, Any]:
        return {**vars(self), "due": self.due.isoformat()}


@dataclass(frozen=True)
class Outcome:
    """What came of a visit. at: when it took place (aware); hours: the effort of a visit that was let in; by: who says so."""

    visit_id: str
    outcome: str
    at: datetime
    by: str
    hours: float | None = None
    note: str = ""
    findings: tuple[Finding, ...] = ()


def parsed(document: Mapping[str, Any], where: str, now: datetime) -> Outcome:
    """An outcome as it was written. Raises BadInput naming the key at fault: only what has happened by `now` can be told."""
    _known_keys(document, _KEYS, where)
    outcome = _one_of(document.get("outcome"), OUTCOMES, f"{where}, outcome")
    at = _moment(document.get("at"), f"{where}, at")
    if at > now:
        raise BadInput(f"{at.isoformat()} lies ahead", where=f"{where}, at", mend="record a visit after it took place")
    hours = _hours(document.get("hours"), f"{where}, hours")
    listed = document.get("findings") or []
    if not isinstance(listed, list) or len(listed) > MOST_FINDINGS:
        raise BadInput("no list of findings", where=f"{where}, findings", mend=f"give a list of at most {MOST_FINDINGS}")
    findings = tuple(_finding(one, f"{where}, finding {number}", at) for number, one in enumerate(listed, start=1))
    if outcome == "refused" and (findings or hours):
        mend = "record it as partial, or leave hours and findings out"
        raise BadInput("a refused visit finds nothing and takes no hours", where=where, mend=mend)
    if outcome != "refused" and hours is None:
        raise BadInput("the effort is missing", where=f"{where}, hours", mend="give the hours on site")
    visit_id, by = (_text(document.get(name), f"{where}, {name}", least=1) for name in ("visit_id", "by"))
    return Outcome(visit_id, outcome, at, by, hours, _text(document.get("note", ""), f"{where}, note"), findings)


@dataclass(frozen=True)
class Hazard:
    """A hazard of the loop. rectified, verified: when; both None: not yet."""

    found: datetime
    due: datetime | None
    rectified: datetime | None
    verified: datetime | None


@dataclass(frozen=True)
class Loop:
    """The loop of rectification: hazards found, rectified, verified, open; of those that were due, how many in time or late.

    rate: the share rectified of those whose due date has passed (the target of a prevention service is at least 95 %); None:
    none was due.
    """

    found: int
    rectified: int
    verified: int
    open: int
    due: int
    in_time: int
    late: int
    overdue: int
    mean_days: float | None

    @property
    def rate(self) -> float | None:
        return None if self.due == 0 else (self.in_time + self.late) / self.due

    @property
    def rate_in_time(self) -> float | None:
        return None if self.due == 0 else self.in_time / self.due


def loop(hazards: Iterable[Hazard], as_of: datetime) -> Loop:
    """The loop over hazards as they were known at a moment; what lies after it has not happened."""
    seen = [one for one in hazards if one.found <= as_of]
    done = [one for one in seen if one.rectified is not None and one.rectified <= as_of]
    due = [one for one in seen if one.due is not None and one.due <= as_of]
    mended = [one for one in due if one.rectified is not None and one.rectified <= as_of]
    in_time = sum(one.rectified <= one.due for one in mended if one.rectified is not None and one.due is not None)
    days = [(one.rectified - one.found) / timedelta(days=1) for one in done if one.rectified is not None]
    return Loop(
        found=len(seen),
        rectified=len(done),
        verified=sum(one.verified is not None and one.verified <= as_of for one in seen),
        open=len(seen) - len(done),
        due=len(due),
        in_time=in_time,
        late=len(mended) - in_time,
        overdue=len(due) - len(mended),
        mean_days=sum(days) / len(days) if days else None,
    )


def _finding(document: Any, where: str, at: datetime) -> Finding:
    if not isinstance(document, Mapping):
        raise BadInput("no finding", where=where, mend="give grade, kind and due")
    _known_keys(document, _OF_FINDING, where)
    grade = _one_of(document.get("grade"), GRADES, f"{where}, grade")
    try:
        due = date.fromisoformat(str(document.get("due")))
    except ValueError:
        mend = "give the last day to rectify it, as 2026-12-31"
        raise BadInput(f"{document.get('due')!r} is no day", where=f"{where}, due", mend=mend) from None
    if due < at.date():
        raise BadInput(f"due on {due}, before the visit", where=f"{where}, due", mend="give a day from the visit on")
    if due.year > at.year + MOST_YEARS:
        raise BadInput(f"due on {due}", where=f"{where}, due", mend=f"give a day within {MOST_YEARS} years of the visit")
    supervised = document.get("supervised", False)
    if not isinstance(supervised, bool):
        raise BadInput(f"{supervised!r} is neither true nor false", where=f"{where}, supervised", mend="give true or false")
    kind = _text(document.get("kind"), f"{where}, kind", least=1)
    return Finding(grade, kind, due, _text(document.get("note", ""), f"{where}, note"), supervised)


def _known_keys(document: Mapping[str, Any], keys: set[str], where: str) -> None:
    for name in document:
        if name not in keys:
            raise BadInput("unknown key", where=f"{where}, {name}", mend=f"known are {', '.join(sorted(keys))}")


def _one_of(value: Any, codes: tuple[str, ...], where: str) -> str:
    if value not in codes:
        raise BadInput(f"{value!r} is none of {', '.join(codes)}", where=where, mend="give one of them")
    return str(value)


def _moment(value: Any, where: str) -> datetime:
    mend = "give date, time and zone, as 2026-11-25T09:30:00+08:00"
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise BadInput(f"{value!r} is no moment", where=where, mend=mend) from None
    if found.tzinfo is None:
        raise BadInput(f"{value} has no zone", where=where, mend=mend)
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise BadInput(f"{value!s} is beyond the years that a clock can show", where=where, mend=mend) from None


def _hours(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_HOURS:
        raise BadInput(f"{value!r} is no effort in hours", where=where, mend=f"give hours above 0, at most {MOST_HOURS:g}")
    return float(value)


def _text(value: Any, where: str, *, least: int = 0) -> str:
    if not isinstance(value, str) or not least <= len(value.strip()) <= LONGEST:
        mend = f"give a text of at most {LONGEST} characters"
        raise BadInput("blank or no text" if least else "no text", where=where, mend=mend)
    # Neither every store nor a line can hold them.
    if any((ord(one) < 32 and one not in "\n\r\t") or one == "\x7f" or "\ud800" <= one <= "\udfff" for one in value):
        raise BadInput("a control character or half of one", where=where, mend="leave it out")
    if least and len(value.strip().splitlines()) > 1:
        raise BadInput("more than one line", where=where, mend="write it in one line; a note may have more")
    return value.strip()
