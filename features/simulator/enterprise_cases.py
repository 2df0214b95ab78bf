"""Published accident cases with narratives in Chinese and English: some of the portfolio's own, most of enterprises outside it.

A case becomes known months after its accident. The words follow from the kind of accident by a small grammar, whose sentences
are drawn (enterprise_cases.toml); a share of the cases carries no code of its cause, and none says how risky anybody is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from features import documents
from features.enterprise import schema
from features.enterprise.vocabulary import CAUSES
from features.simulator.chance import Ints
from features.simulator.enterprise_accidents import Accidents
from features.simulator.enterprise_life import YEAR
from features.simulator.enterprise_roll import Draw, Roll, pick, stream
from features.simulator.enterprise_rows import Columns, Frame, numbered, one, table
from features.simulator.enterprise_severity import class_shares
from features.simulator.enterprise_tables import Told, causes_of, process_places, process_words
from features.simulator.world import Floats

GRAMMAR = Path(__file__).with_name("enterprise_cases.toml")
_SOURCE = "simulated bulletin"
_CAUSE_ZH = {cause.code: cause.words_zh for cause in CAUSES}
_CAUSE_EN = {cause.code: cause.words_en for cause in CAUSES}


@dataclass(frozen=True)
class _Told:
    """What a case is about. at: days; owner: place of the portfolio's enterprise, or -1; like: one that it resembles."""

    at: Floats
    owner: Ints
    like: Ints
    cause: Ints
    deaths: Ints
    injuries: Ints
    loss: Floats


def cases(roll: Roll, found: Accidents, frame: Frame, days: int) -> Told:
    """Cases published within the first `days`. The entity is the industry, so a case is told before anybody is watched."""
    own, outside = _own(roll, found), _outside(roll, found.cause_words, days)
    merged = _Told(*(np.concatenate([getattr(part, name) for part in (own, outside)]) for name in _Told.__annotations__))
    count = len(merged.at)
    order = np.argsort(merged.at, kind="stable")
    merged = _Told(*(getattr(merged, name)[order] for name in _Told.__annotations__))
    draws = stream(roll.seed, Draw.CASES, 3).random((count, 10))
    low, high = roll.world.cases.published_after_days
    published = merged.at + low + (high - low) * draws[:, 0]
    process = process_places(roll)[merged.like]
    texts = [_text(roll, frame, merged, process, found.cause_words, nth, draws[nth]) for nth in range(count)]
    columns: Columns = {
        "case_id": numbered("case", count),
        "process": (process_words(roll), process),
        "cause": (found.cause_words, np.where(draws[:, 9] < roll.world.cases.uncoded_share, -1, merged.cause)),
        "deaths": merged.deaths,
        "injuries": merged.injuries,
        "direct_loss": merged.loss,
        "currency": one("CNY", count),
        "title": ([text[0] for text in texts], np.arange(count)),
        "narrative_zh": ([text[1] for text in texts], np.arange(count)),
        "narrative_en": ([text[2] for text in texts], np.arange(count)),
        "source": one(_SOURCE, count),
        "enterprise_id": (frame.ids, merged.owner),
    }
    industries = Frame([each.code for each in roll.world.industries], frame.begin, frame.end, _always(roll))
    known = frame.at(published)
    return schema.CASES, table(industries, schema.CASES, roll.industry[merged.like], frame.at(merged.at), known, columns)


def _always(roll: Roll) -> Ints:
    return np.full(len(roll.world.industries), np.iinfo(np.int64).min)


def _own(roll: Roll, found: Accidents) -> _Told:
    law, draws = roll.world.cases, stream(roll.seed, Draw.CASES).random((len(found.at), 2))
    chance = np.where(found.severity > 0, law.published_graver, law.published_ordinary)
    chosen = np.flatnonzero(draws[:, 0] < chance)
    # A case names its enterprise now and then.
    owner = np.where(draws[chosen, 1] < 0.5, found.of[chosen], -1)
    return _Told(
        found.at[chosen], owner, found.of[chosen], found.cause[chosen], found.deaths[chosen], found.injuries[chosen],
        found.loss[chosen],
    )  # fmt: skip


def _outside(roll: Roll, words: list[str], days: int) -> _Told:
    """Accidents of others, from years before the first day on, of the industries and processes of the portfolio."""
    law, rng = roll.world.cases, stream(roll.seed, Draw.CASES, 1)
    # Day by day, so that a longer simulation continues the shorter one.
    before = int(law.outside_years_before * YEAR)
    count = rng.poisson(law.outside_per_year / YEAR, before + days)
    day = np.repeat(np.arange(-before, days), count)
    draws = stream(roll.seed, Draw.CASES, 2).random((len(day), 8))
    like = pick(draws[:, 0], list(roll.rate * roll.workers / roll.frailty))
    own_words, cause = causes_of(roll, like, draws[:, 1])
    cause = np.array([words.index(word) for word in own_words])[cause]
    shares = class_shares(roll)[like]
    # What is published is graver than what happens.
    shares = shares * np.array([law.published_ordinary, *[law.published_graver] * (shares.shape[1] - 1)])
    edges = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
    severity = np.minimum((draws[:, 2:3] >= edges).sum(axis=1), shares.shape[1] - 1)
    losses = roll.world.losses
    deaths, injuries = (
        np.array([getattr(loss, name)[0] for loss in losses])[severity]
        + np.floor(draw**2.5 * np.array([getattr(loss, name)[1] - getattr(loss, name)[0] + 1 for loss in losses])[severity])
        for name, draw in (("deaths", draws[:, 3]), ("injuries", draws[:, 4]))
    )
    loss = np.array([each.median for each in losses])[severity] * (0.4 + 1.2 * draws[:, 5])
    return _Told(
        day + draws[:, 6], np.full(len(day), -1), like, cause, deaths.astype(np.int64), injuries.astype(np.int64),
        np.round(loss, -2),
    )  # fmt: skip


@cache
def _grammar() -> dict[str, Any]:
    return documents.read_toml(GRAMMAR, "reinstall Forewarn")


def _text(
    roll: Roll, frame: Frame, told: _Told, process: Ints, words: list[str], nth: int, draw: Floats
) -> tuple[str, str, str]:
    """(title, Chinese, English) of the n-th case."""
    grammar, code = _grammar(), words[int(told.cause[nth])]
    when = datetime.fromtimestamp(frame.begin / 1e6, UTC) + timedelta(days=float(told.at[nth]))
    outcome = grammar["outcome_deaths" if told.deaths[nth] else "outcome_injuries"]
    lists = [grammar["opening"], grammar["causes"][code], outcome, grammar["finding"]]
    chosen = [each[int(draw[1 + at] * len(each))] for at, each in enumerate(lists)]
    place = grammar["processes"][process_words(roll)[int(process[nth])]]
    filled = {
        "people": 2 + int(draw[6] * 12),
        "deaths": int(told.deaths[nth]),
        "injuries": int(told.injuries[nth]),
        "loss": f"{told.loss[nth]:,.0f}",
    }
    en = " ".join(part[0] for part in chosen).format(place=place[0], when=f"{when:%d %B %Y}", **filled)
    zh = "".join(part[1] for part in chosen).format(place=place[1], when=f"{when.year}年{when.month}月{when.day}日", **filled)
    return f"{place[1]}“{when.month}·{when.day}”{_CAUSE_ZH[code]}事故 ({_CAUSE_EN[code]}, {place[0]})", zh, en
