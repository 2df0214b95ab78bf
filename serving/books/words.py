"""The sentences of a book's page in both languages: what the figures mean for whoever decides about the tariff."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from serving.books.claims import Told
from serving.underwriting.comparison import WHOLE
from serving.underwriting.experience import Ratio, ratio
from serving.underwriting.rated import Floats, Rated
from training.report_words import Text, number

TITLE = Text("Book of policies: re-rated", "保单组合：重新定价")
COMPARED = Text("Book of policies: two tariffs", "保单组合：两套费率比较")
PARTS = {
    "off_balance": Text("off-balance", "总额平衡"),
    WHOLE: Text("not told by one factor", "不能归于单一因素"),
}
_MUCH = 0.10


def money(amount: Decimal | float, currency: str) -> str:
    """An amount for people: to the cent where it is exact, in whole units where it is an estimate."""
    return f"{currency} {amount:,.2f}" if isinstance(amount, Decimal) else f"{currency} {amount:,.0f}"


def spanned(told: Ratio, percent: bool = False) -> str:
    """The ends of an interval."""
    return f"{number(told.low, percent)} … {number(told.high, percent)}" if np.isfinite(told.low) else "–"


def totals(charged: Decimal, rated: Rated, currency: str) -> Text:
    """What the book pays before and after, and whether the total is kept."""
    if rated.balanced is not None:
        held = rated.balanced.at_floor
        return Text(
            f"{len(rated):,} policies pay {money(rated.total, currency)} in all, the total asked for to the cent: premiums of "
            f"the rulebook times {rated.balanced.factor:f}" + (f"; {held:,} held at their minimum." if held else "."),
            f"{len(rated):,} 份保单合计 {money(rated.total, currency)}，与所要求的总额分毫不差：规则书保费乘以 "
            f"{rated.balanced.factor:f}" + (f"；{held:,} 份按最低保费。" if held else "。"),
            "good",
        )  # fmt: skip
    change = float(rated.total / charged) - 1.0 if charged else float("nan")
    then, now = money(rated.total, currency), money(charged, currency)
    return Text(
        f"{len(rated):,} policies would pay {then}, {change:+.1%} against the {now} charged.",
        f"{len(rated):,} 份保单将收 {then}，较已收 {now} 变动 {change:+.1%}。",
    )


def movers(before: Floats, after: Floats) -> Text:
    """How many pay clearly more or less."""
    change = np.divide(after, before, out=np.ones_like(after), where=before > 0) - 1.0
    up, down = int((change > _MUCH).sum()), int((change < -_MUCH).sum())
    rest = len(change) - up - down
    return Text(
        f"{up:,} pay more by over {_MUCH:.0%}, {down:,} less by over {_MUCH:.0%}, {rest:,} about the same.",
        f"{up:,} 份上涨超过 {_MUCH:.0%}，{down:,} 份下降超过 {_MUCH:.0%}，{rest:,} 份基本不变。",
    )


def losses(told: Told) -> list[Text]:
    """Loss ratios, and whether the model's expectations came true."""
    part = told.experience
    charged, rated = ratio(part.incurred, part.charged), ratio(part.incurred, part.rated)
    found = [Text(
        f"Claims by {told.until}, developed, are {number(charged.value, True)} of the premium earned as charged "
        f"({spanned(charged, True)}) and {number(rated.value, True)} of that as rated ({spanned(rated, True)}).",
        f"截至 {told.until} 的赔款（已发展）占原收已赚保费的 {number(charged.value, True)}（{spanned(charged, True)}），"
        f"占重新定价已赚保费的 {number(rated.value, True)}（{spanned(rated, True)}）。",
    )]  # fmt: skip
    count = ratio(part.claims, part.accidents)
    if np.isfinite(count.value):
        cost = ratio(part.incurred, part.losses)
        tone = "good" if count.low <= 1.0 <= count.high else "bad"
        found.append(Text(
            f"{part.claims.sum():,.0f} claims came where the model expected {part.accidents.sum():,.1f} accidents: "
            f"{number(count.value)} ({spanned(count)}); their cost over the expected insured loss: {number(cost.value)} "
            f"({spanned(cost)}).",
            f"实际 {part.claims.sum():,.0f} 件赔案，模型预期 {part.accidents.sum():,.1f} 次事故：{number(count.value)}"
            f"（{spanned(count)}）；赔款与预期承保损失之比 {number(cost.value)}（{spanned(cost)}）。",
            tone,
        ))  # fmt: skip
    return [*found, *_trends(told)]


def _trends(told: Told) -> list[Text]:
    trend = told.trends[1] or told.trends[0]
    if trend is None:
        return []
    clear = trend.low > 0 or trend.high < 0
    span = f"95 % {trend.low:+.1%} … {trend.high:+.1%}"
    return [Text(
        f"The ultimate loss ratio moves by {trend.yearly:+.1%} a year ({span})" + ("." if clear else ": no clear trend."),
        f"最终赔付率每年变动 {trend.yearly:+.1%}（{span}）" + ("。" if clear else "：无明显趋势。"),
        "bad" if trend.low > 0 else "plain",
    )]  # fmt: skip


def flatter(spreads: Sequence[tuple[Text, float, float]]) -> list[Text]:
    """Whether the segments' loss ratios lie closer together at rated than at charged premiums. spreads: cut, before, after."""
    if not spreads:
        return []
    closer = sum(after < before for _, before, after in spreads)
    tone = "good" if closer == len(spreads) else "bad" if not closer else "plain"
    parts_en = ", ".join(f"{cut.en.lower()} {number(after, True)} ({number(before, True)})" for cut, before, after in spreads)
    parts_zh = "，".join(f"{cut.zh} {number(after, True)}（{number(before, True)}）" for cut, before, after in spreads)
    return [Text(
        f"Mean distance of the segments' loss ratios from the book's, as rated (as charged): {parts_en}.",
        f"各细分赔付率与全部之平均差距，重新定价（原收）：{parts_zh}。",
        tone,
    )]  # fmt: skip


NOTES = (
    Text(
        "Only earned premium counts: a policy's premium by the share of its cover that was over at the valuation. Claims are "
        "what was paid and reserved at their last valuation, times the chain-ladder factor of their twelve months; no tail "
        "beyond the oldest age seen. T. Mack, ASTIN Bulletin 23/2 (1993) 213-225.",
        "只计已赚保费：按估值日已过保险期间的比例。赔款为最近估值的已付加未决，乘以所属年度的链梯因子；"
        "最老发展期之后不再外推。T. Mack，ASTIN Bulletin 23/2 (1993) 213-225。",
    ),
    Text(
        "Intervals are 95 %, by the linearised variance of a ratio over policies: read them before small segments' figures.",
        "区间为 95%，按比率在保单间的线性化方差计算：看小细分的数字前先看区间。",
    ),
    Text(
        "The relativity that claims indicate is one-way: the rulebook's value times the level's loss ratio over the book's, at "
        "rated premiums, which hold every other factor.",
        "赔案所示系数为单因素：规则书系数乘以该档赔付率与全部赔付率之比，按已含其他因素的重新定价保费计算。",
    ),
    Text(
        "Premiums are computed in decimals, policy by policy, as a single quote is; a total is kept by multiplying every "
        "premium above its floor by one factor and giving single cents to the largest remainders.",
        "保费逐单以十进制计算，与单笔报价一致；总额平衡时高于最低保费者同乘一个系数，剩余的分按最大余数分配。",
    ),
)
WHY = Text(
    "A difference is shared out among the factors by logarithmic means (B. W. Ang, Energy Policy 32 (2004) 1131-1139): the "
    "parts add up to the cent and do not hang on an order of the factors.",
    "差额按对数平均分摊到各因素（B. W. Ang，Energy Policy 32 (2004) 1131-1139）：各部分之和精确到分，且与因素次序无关。",
)
