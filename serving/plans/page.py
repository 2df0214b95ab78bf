"""The page of a plan: verdict, calendar, map, what is missed, checklists; both languages, no network needed."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

from serving.plans import words
from training import pages
from training.report_words import Text

TEMPLATE = "plan.html.j2"
_WIDTH, _MARGIN = 1000.0, 24.0
_LOWEST, _HIGHEST = 260.0, 900.0
REASONS = {
    "follow-up": Text("follow-up of a supervised hazard", "挂牌督办复查"), "minimum": Text("minimum", "最低频次"),
    "targeted": Text("targeted", "按风险"), "random": Text("by lot", "随机抽取"),
}  # fmt: skip
MODES = {
    "on_site": Text("on site", "现场"),
    "remote": Text("remote", "远程"),
    "unannounced": Text("unannounced", "四不两直"),
}
COLOURS = {
    "red": Text("red", "红"), "orange": Text("orange", "橙"), "yellow": Text("yellow", "黄"), "blue": Text("blue", "蓝"),
}  # fmt: skip
_DAYS = (("Mon", "周一"), ("Tue", "周二"), ("Wed", "周三"), ("Thu", "周四"), ("Fri", "周五"), ("Sat", "周六"), ("Sun", "周日"))


def write(path: Path, told: Mapping[str, Any]) -> Path:
    """Write the page of a plan's document, whole or not at all."""
    return pages.write(path, Path(__file__).parent, TEMPLATE, context(told))


def context(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows."""
    monday = date.fromisoformat(told["monday"])
    worked = {(_start(one).date() - monday).days for one in told["visits"]}
    days = [
        {"day": day, "words": Text(f"{en} {monday + timedelta(days=day):%m-%d}", zh)}
        for day, (en, zh) in enumerate(_DAYS)
        if day < 5 or day in worked
    ]
    return {
        "week": told["week"], "identity": _identity(told), "verdict": _verdict(told),
        "days": days,
        "calendar": _calendar(told, monday), "map": _map(told), "shortage": told["shortage"], "missed": _missed(told),
        "reasons": REASONS, "modes": MODES, "colours": COLOURS, "visits": told["visits"], "start": _start, "end": _end,
        "notes": [
            Text(told["rules"]["note_en"], told["rules"]["note_zh"]),
            *(Text(one, words.note(one)) for one in told["notes"]),
        ],
        "currency": told["currency"], "conflicts": [Text(one, words.conflict(one)) for one in told["conflicts"]],
        "changes": [_change(one) for one in told.get("changes", ())],
    }  # fmt: skip


def _start(one: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(one["starts"])


def _end(one: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(one["ends"])


def _identity(told: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "plan": told.get("plan_id"), "as known at": told["as_of"], "bundle": told["bundle"], "rules": told["rules"]["id"],
        "zone": told["zone"], "seed of the lot": told["lot"]["seed"], "replanned from": told.get("parent"),
        "replanned at": told.get("replanned_at"),
    }  # fmt: skip
    return {name: str(value) for name, value in found.items() if value is not None}


def _verdict(told: Mapping[str, Any]) -> list[Text]:
    visits, short = told["visits"], told["shortage"]
    who = len({one["inspector_id"] for one in visits})
    money, hours = f"{told['currency']} {told['averted']:,.0f}", told["travel_minutes"] / 60
    found = [
        Text(
            f"{len(visits)} visits by {who} inspectors are expected to avert {money}, with {hours:,.0f} h of travel.",
            f"{who} 名检查员共检查 {len(visits)} 次，预计减损 {money}，路途 {hours:,.0f} 小时。",
        )
    ]
    if bound := told.get("bound"):
        most = f"{told['currency']} {bound:,.0f}"
        found.append(
            Text(
                f"No plan with the same minima could avert more than {most}.",
                f"保持同样的最低频次，任何计划减损都不超过 {most}。",
            )
        )
    if short["missed"]:
        count, longest = len(short["missed"]), max(one["overdue_days"] for one in short["missed"])
        found.append(
            Text(
                f"Too few people: {count} visits that are due are missed, the longest {longest:.0f} d overdue; "
                f"at least {short['inspectors']} more inspectors would be needed.",
                f"人手不足：{count} 次应检未排，最长逾期 {longest:.0f} 天；至少需增加 {short['inspectors']} 名检查员。",
                "bad",
            )
        )
    else:
        found.append(Text("Every follow-up and minimum that is due is planned.", "所有到期复查与最低频次均已安排。", "good"))
    lot = sum(one["by_lot"] for one in visits)
    found.append(
        Text(
            f"{lot} visits are by lot; tell no site of those that are unannounced.",
            f"{lot} 次为随机抽取；“四不两直”检查不得事先告知。",
        )
    )
    return found


def _calendar(told: Mapping[str, Any], monday: date) -> list[dict[str, Any]]:
    """A row for each inspector: visits by day, in order."""
    names = {one["inspector_id"]: one["name"] for one in told["problem"]["inspectors"]}
    rows: dict[str, dict[int, list[Any]]] = {who: defaultdict(list) for who in names}
    for one in told["visits"]:
        rows[one["inspector_id"]][(_start(one).date() - monday).days].append(one)
    return [{"inspector_id": who, "name": names[who], "days": days} for who, days in rows.items()]


def _missed(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Visits that are due and left out, with their words, the most overdue first."""
    left = {one["visit_id"]: one for one in told["left_out"]}
    return [{**one, **left[one["visit_id"]], "possible": one["possible"]} for one in told["shortage"]["missed"]]


def _change(one: Mapping[str, Any]) -> dict[str, Any]:
    """A change of a replan: where, what, from when to when, why."""

    def when(visit: Mapping[str, str] | None) -> str:
        return "—" if visit is None else f"{visit['inspector_id']} {datetime.fromisoformat(visit['starts']):%m-%d %H:%M}"

    return {
        "site": one["site"], "kind": Text(one["kind"], one["kind_zh"]), "before": when(one["before"]),
        "after": when(one["after"]), "reason": Text(one["reason_en"], one["reason_zh"]),
    }  # fmt: skip


def _map(told: Mapping[str, Any]) -> str:
    """Routes from home through the sites of each day, as plain SVG: north is up, a degree as long in both directions."""
    places = told["problem"]["places"]
    home = {one["inspector_id"]: one["place"] for one in told["problem"]["inspectors"]}
    site = {one["visit_id"]: one["place"] for one in told["problem"]["wanted"]}
    across, height = _projection(places)
    points = [across(*one) for one in places]
    parts = [_routes(told["visits"], points, home, site)]
    planned = {one["visit_id"]: one for one in told["visits"]}
    for visit_id, place in sorted(site.items(), key=lambda each: each[0] in planned):
        one = planned.get(visit_id)
        x, y = points[place]
        if one is None:
            parts.append(f'<circle class="left" cx="{x:.1f}" cy="{y:.1f}" r="1.8"/>')
        elif one["mode"] != "remote":
            title = escape(
                f"{one['enterprise_id']}/{one['site_id']}: {REASONS[one['reason']].en} / {REASONS[one['reason']].zh}"
            )
            parts.append(f'<circle class="r-{one["reason"]}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{title}</title></circle>')
    for who, place in home.items():
        x, y = points[place]
        parts.append(
            f'<rect class="home" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"><title>{escape(who)}</title></rect>'
        )
    label = "Map of the routes"
    return f'<svg class="map" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _projection(places: Sequence[Sequence[float]]) -> tuple[Any, float]:
    """(latitude, longitude) -> (x, y), and the height of the picture."""
    south, north = min(one[0] for one in places), max(one[0] for one in places)
    west, east = min(one[1] for one in places), max(one[1] for one in places)
    squeeze = math.cos(math.radians((south + north) / 2))
    wide, tall = max((east - west) * squeeze, 1e-3), max(north - south, 1e-3)
    scale = min((_WIDTH - 2 * _MARGIN) / wide, (_HIGHEST - 2 * _MARGIN) / tall)
    height = max(_LOWEST, tall * scale + 2 * _MARGIN)

    def across(latitude: float, longitude: float) -> tuple[float, float]:
        x = _WIDTH / 2 + ((longitude - (west + east) / 2) * squeeze) * scale
        return x, height / 2 - (latitude - (south + north) / 2) * scale

    return across, height


def _routes(
    visits: Sequence[Mapping[str, Any]], points: Sequence[tuple[float, float]], home: Mapping[str, int], site: Mapping[str, int]
) -> str:
    days: dict[tuple[str, date], list[int]] = defaultdict(list)
    for one in visits:
        if one["mode"] != "remote":
            days[one["inspector_id"], _start(one).date()].append(site[one["visit_id"]])
    lines = []
    for (who, _), route in sorted(days.items()):
        way = " ".join(f"{points[place][0]:.1f},{points[place][1]:.1f}" for place in (home[who], *route, home[who]))
        lines.append(f'<polyline class="way" points="{way}"/>')
    return "".join(lines)
