"""The page of a book, rated or compared: the verdict before the tables, both languages, no network needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from serving.books import pictures, words
from serving.books.claims import Told
from serving.books.importing import Book
from serving.books.segments import Cut, level_name
from serving.underwriting import experience
from serving.underwriting.comparison import Moved, steepest
from serving.underwriting.experience import Level, Segment
from serving.underwriting.rated import Rated
from serving.underwriting.rulebook import Rulebook
from training import pages
from training.report_words import Text, number

TEMPLATE = "book.html.j2"
_BINS, _SHOWN, _MOST_LEVELS = 5, 10, 24


@dataclass(frozen=True)
class Side:
    """A tariff as the page names it: words, rulebook and rating, what the claims say of it, and its premiums as numbers."""

    words: Text
    rulebook: Rulebook
    rated: Rated
    told: Told | None
    premiums: Any


def write(path: Path, context: Mapping[str, Any]) -> Path:
    """Write the page, whole or not at all."""
    return pages.write(path, Path(__file__).parent, TEMPLATE, context)


def rated_page(book: Book, identity: Mapping[str, str], charged: Decimal, side: Side, cuts: Sequence[Cut]) -> dict[str, Any]:
    """What the page of a rated book shows."""
    before = book.policies.column("premium").to_numpy()
    told = side.told
    verdict = [words.totals(charged, side.rated, book.currency), words.movers(before, side.premiums)]
    if told is not None:
        verdict += words.losses(told)
    parts = [_segments(cut, told) for cut in cuts] if told is not None else []
    verdict += words.flatter([part["spread"] for part in parts if part["spread"] is not None])
    lift = experience.double_lift(told.experience.charged, told.experience.rated, told.experience, _BINS) if told else []
    return _page(
        title=words.TITLE, subject=Text(book.name, ""), identity=identity, verdict=verdict,
        tiles=_tiles(book, charged, side), changes=pictures.changes(before, side.premiums),
        lift=pictures.lift(lift, pictures.CHARGED, pictures.RATED) if lift else None,
        segments=parts, factors=_factors(side), claims=_claims(told) if told else None, notes=words.NOTES,
    )  # fmt: skip


def compared_page(
    book: Book,
    identity: Mapping[str, str],
    one: Side,
    other: Side,
    moved: Moved,
    cuts: Sequence[Cut],
    names: Mapping[str, Text],
) -> dict[str, Any]:
    """What the page of two tariffs shows: who pays more, and why."""
    change = (float(other.rated.total) / float(one.rated.total) - 1.0) if one.rated.total else float("nan")
    paid = [f"{side.words.en}: {words.money(side.rated.total, book.currency)}" for side in (one, other)]
    total = Text(f"{paid[0]}; {paid[1]} ({change:+.1%}).", f"{paid[0]}；{paid[1]}（{change:+.1%}）。")
    verdict = [total, words.movers(one.premiums, other.premiums), *_why(moved, names, book.currency)]
    lift = None
    if one.told is not None and other.told is not None:
        bins = experience.double_lift(one.told.experience.rated, other.told.experience.rated, one.told.experience, _BINS)
        lift = pictures.lift(bins, one.words, other.words)
    return _page(
        title=words.COMPARED, subject=Text(f"{book.name}: {one.words.en} → {other.words.en}", ""), identity=identity,
        verdict=verdict, changes=pictures.changes(one.premiums, other.premiums), lift=lift,
        causes=_causes(moved, names), moved_segments=[_moved_segments(cut, one, other) for cut in cuts],
        movers=_movers(book, one, other, moved, names), notes=(words.WHY, words.NOTES[-1]),
    )  # fmt: skip


def _page(**given: Any) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(("lift", "claims", "changes"))
    lists: dict[str, Any] = dict.fromkeys(("tiles", "segments", "factors", "causes", "moved_segments", "movers"), ())
    return empty | lists | given


def _tiles(book: Book, charged: Decimal, side: Side) -> list[dict[str, Any]]:
    rated = side.rated.total
    tiles = [
        (Text("Policies", "保单数"), f"{len(book):,}", ""),
        (Text("Premium charged", "原收保费"), f"{charged:,.0f}", book.currency),
        (Text("Premium as rated", "重新定价保费"), f"{rated:,.0f}", f"{book.currency} {rated - charged:+,.2f}"),
    ]
    if side.told is not None:
        part = side.told.experience
        for name, bottom in ((_LOSS_CHARGED, part.charged), (_LOSS_RATED, part.rated)):
            found = experience.ratio(part.incurred, bottom)
            tiles.append((name, number(found.value, True), words.spanned(found, True)))
        count = experience.ratio(part.claims, part.accidents)
        if np.isfinite(count.value):
            tiles.append((_CAME, number(count.value), words.spanned(count)))
    return [{"words": name, "value": value, "span": span} for name, value, span in tiles]


def _segments(cut: Cut, told: Told) -> dict[str, Any]:
    """One cut of the book: its table, pictures, and how far apart its loss ratios lie before and after."""
    found = sorted(experience.segments(cut.level, told.experience), key=lambda one: cut.place(one.level))
    names = [cut.named(one.level) for one in found]
    modelled = any(np.isfinite(one.frequency.value) for one in found)
    whole = experience.segment("", told.experience)
    figures = [
        (caption, pictures.against(found, names, _OVER_BOOK, of, getattr(whole, of).value))
        for of, caption in (("by_charged", _LOSS_CHARGED), ("by_rated", _LOSS_RATED))
    ]
    if modelled:
        figures.append((_CAME, pictures.against(found, names, _CAME, "frequency")))
    return {
        "words": cut.words,
        "rows": [_segment_row(name, one) for name, one in zip(names, found, strict=True)],
        "modelled": modelled,
        "figures": [(caption, figure) for caption, figure in figures if figure is not None],
        "spread": _spread(cut.words, found),
    }


_OVER_BOOK = Text("loss ratio / the book's", "赔付率 / 全部")
_LOSS_CHARGED, _LOSS_RATED = Text("Loss ratio as charged", "原收赔付率"), Text("Loss ratio as rated", "重新定价赔付率")
_CAME = Text("Claims over expected accidents", "赔案 / 预期事故")


def _spread(cut: Text, found: Sequence[Segment]) -> tuple[Text, float, float] | None:
    """Mean distance of the segments' loss ratios from the book's, weighted by premium, as shares of it: charged, rated."""
    if sum(one.claims for one in found) < 100:
        return None
    spreads = []
    for of, ratio in (("charged", "by_charged"), ("rated", "by_rated")):
        weight = np.array([getattr(one, of) for one in found])
        value = np.array([getattr(one, ratio).value for one in found])
        known = (weight > 0) & np.isfinite(value)
        mean = float(np.average(value[known], weights=weight[known])) if known.any() else 0.0
        if not mean > 0:
            return None
        spreads.append(float(np.average(np.abs(value[known] / mean - 1.0), weights=weight[known])))
    return cut, spreads[0], spreads[1]


def _segment_row(name: str, one: Segment) -> dict[str, Any]:
    return {
        "name": name,
        "policies": f"{one.policies:,}",
        "charged": f"{one.charged:,.0f}",
        "rated": f"{one.rated:,.0f}",
        "claims": f"{one.claims:,.0f}",
        "incurred": f"{one.incurred:,.0f}",
        "ratios": [
            (number(told.value, percent), words.spanned(told, percent))
            for told, percent in ((one.frequency, False), (one.loss, False), (one.by_charged, True), (one.by_rated, True))
        ],
    }


def _factors(side: Side) -> list[dict[str, Any]]:
    """The relativity table of each factor that takes levels; with claims, what they indicate."""
    found = []
    for step in side.rated.steps:
        if step.stage not in ("factors", "incentives", "model") or len(set(step.level)) > _MOST_LEVELS:
            continue
        name = Text(step.words_en, step.words_zh)
        if side.told is None:
            empty = np.zeros(len(side.premiums))
            told = experience.Experience(empty, side.premiums, empty, empty, empty, empty)
        else:
            told = side.told.experience
        levels = experience.levels(step.level, step.ratio, told)
        names = [level_name(side.rulebook, step, one.segment.level) for one in levels]
        found.append(
            {
                "words": name,
                "clause": step.clause,
                "rows": [_level_row(*one) for one in zip(names, levels, strict=True)],
                "figure": pictures.relativity(name, names, levels) if side.told is not None else None,
            }
        )
    return found


def _level_row(name: str, one: Level) -> dict[str, Any]:
    return {
        "level": name,
        "value": f"{one.value:.4g}",
        "indicated": (number(one.indicated.value), words.spanned(one.indicated)),
        "policies": f"{one.segment.policies:,}",
        "rated": f"{one.segment.rated:,.0f}",
        "claims": f"{one.segment.claims:,.0f}",
        "loss": (number(one.segment.by_rated.value, True), words.spanned(one.segment.by_rated, True)),
    }


def _claims(told: Told) -> dict[str, Any]:
    """Valuation dates, periods and development."""
    shares = np.array([one.incurred / one.earned if one.earned > 0 else 0.0 for one in told.valuations])
    figures = [
        (Text("Ultimate loss ratio by period, ± 2 standard errors", "各年度最终赔付率，± 2 倍标准误"), pictures.periods(told)),
        (Text("Development of incurred claims", "已发生赔款的发展"), pictures.growth(told.triangle, told.developed)),
    ]  # fmt: skip
    if len(shares) > 1:
        days = [one.day for one in told.valuations]
        figures.append((Text("Loss ratio by valuation date", "按估值日的赔付率"), pictures.valuations(days, shares)))
    return {
        "figures": figures,
        "valuations": [
            (str(one.day), f"{one.claims:,}", f"{one.paid:,.0f}", f"{one.incurred:,.0f}", f"{one.earned:,.0f}",
             number(share, True))
            for one, share in zip(told.valuations, shares.tolist(), strict=True)
        ],
        "periods": [
            (str(one.ends), f"{one.charged:,.0f}", f"{one.rated:,.0f}", f"{one.claims:,}", f"{one.incurred:,.0f}",
             f"{one.ultimate:,.0f}" + (f" ± {one.error:,.0f}" if one.error > 0 else ""),
             number(one.ultimate / one.charged, True) if one.charged > 0 else "–",
             number(one.ultimate / one.rated, True) if one.rated > 0 else "–")
            for one in told.periods
        ],
        "factors": [f"{one:.3f}" for one in told.developed.factors],
        "until": str(told.until),
    }  # fmt: skip


def _why(moved: Moved, names: Mapping[str, Text], currency: str) -> list[Text]:
    """The factor that moves the most money."""
    sizes = np.abs(moved.parts).sum(axis=0)
    if not sizes.sum():
        return [Text("No premium changes.", "没有保费变动。")]
    place = int(sizes.argmax())
    name = names[moved.names[place]]
    share = number(float(sizes[place] / sizes.sum()), True)
    up, down = (float(moved.parts[:, place].clip(*ends).sum()) / 100 for ends in ((0, None), (None, 0)))
    return [Text(
        f"Most of it comes from {name.en}: {share} of all that moves, {currency} {up:+,.0f} and {down:+,.0f}.",
        f"主要来自{name.zh}：占全部变动的 {share}，{currency} {up:+,.0f} 与 {down:+,.0f}。",
    )]  # fmt: skip


def _causes(moved: Moved, names: Mapping[str, Text]) -> list[dict[str, Any]]:
    rows = []
    for place in np.argsort(-np.abs(moved.parts).sum(axis=0), kind="stable").tolist():
        part = moved.parts[:, place]
        if part.any():
            up, down = int((part > 0).sum()), int((part < 0).sum())
            sums = [float(part.clip(*ends).sum()) / 100 for ends in ((0, None), (None, 0))]
            rows.append(
                {"words": names[moved.names[place]], "up": f"{up:,}", "more": f"{sums[0]:+,.0f}", "down": f"{down:,}",
                 "less": f"{sums[1]:+,.0f}", "net": f"{sum(sums):+,.0f}"}
            )  # fmt: skip
    return rows


def _moved_segments(cut: Cut, one: Side, other: Side) -> dict[str, Any]:
    everyone = experience.Experience(*([one.premiums] * 6))
    rows = []
    for level, at in sorted(experience.by_level(cut.level, everyone), key=lambda one: cut.place(one[0])):
        before, after = float(one.premiums[at].sum()), float(other.premiums[at].sum())
        change = f"{after / before - 1.0:+.1%}" if before else "–"
        rows.append((cut.named(level), f"{len(at):,}", f"{before:,.0f}", f"{after:,.0f}", change))
    return {"words": cut.words, "rows": rows}


def _movers(book: Book, one: Side, other: Side, moved: Moved, names: Mapping[str, Text]) -> list[dict[str, Any]]:
    """The policies that rise and that fall the most, with the three factors that move each the most."""
    found = []
    titles = (Text("Rise the most", "上涨最多"), Text("Fall the most", "下降最多"))
    for title, rows in zip(titles, steepest(moved, _SHOWN), strict=True):
        shown = []
        for row in rows:
            order = np.argsort(-np.abs(moved.parts[row]), kind="stable")[:3]
            why = [(names[moved.names[place]], moved.parts[row, place] / 100) for place in order if moved.parts[row, place]]
            shown.append(
                {"key": one.rated.keys[row],
                 "before": f"{one.rated.final[row]:,.2f}", "after": f"{other.rated.final[row]:,.2f}",
                 "change": f"{moved.total[row] / 100:+,.2f}", "why": [(name, f"{amount:+,.2f}") for name, amount in why]}
            )  # fmt: skip
        if shown:
            found.append({"words": title, "rows": shown})
    return found
