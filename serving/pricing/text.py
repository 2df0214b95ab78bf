"""A quote in lines for people, English and Chinese."""

from collections.abc import Iterator

from serving.pricing.quoting import Made
from serving.underwriting import words
from serving.underwriting.changes import Change
from serving.underwriting.level_words import level_words
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.stages import Step
from serving.underwriting.worksheet import Worksheet
from serving.underwriting.worksheet_page import brief, does, fact_words, money, share, used


def text(made: Made) -> str:
    """The premium, how it came about, and the what-if beside it."""
    lines = [*_sheet(made.quote_id, made.worksheet)]
    if made.changed is not None:
        was, now = made.worksheet.charge.premium, made.changed.worksheet.charge.premium
        lines += ["", f"what if 假设情形: {money(now)} ({now - was:+,.2f})  {made.changed.quote_id}"]
        lines += [_change(made.worksheet.rulebook, one) for one in made.changes]
        before, after = made.worksheet.says, made.changed.worksheet.says
        if before is not None and after is not None:
            lines.append(f"  insured loss 年预期赔款 {money(before.insured_loss)} -> {money(after.insured_loss)}")
    return "\n".join(lines)


def _sheet(quote_id: str, sheet: Worksheet) -> Iterator[str]:
    rulebook, made, terms, says = sheet.rulebook, sheet.charge, sheet.terms, sheet.says
    whom = sheet.enterprise_id or sheet.name or "prospect"
    yield f"{whom}: {money(made.premium)} {terms.currency}, {terms.starts} to {terms.ends}, by {rulebook.id}  {quote_id}"
    if rulebook.illustrative:
        yield "  illustration, no tariff in force  仅为示例，非现行费率"
    for step in made.steps:
        because = _because(sheet, step)
        yield f"  {money(step.after):>18}  {does(step):<14} {step.words_en} {step.words_zh}{because}  [{step.clause}]"
    if says is None:
        yield f"  {words.NO_SCORE.en}  {words.NO_SCORE.zh}"
        return
    ranged = f"{brief(says.expected)} ({brief(says.low)} to {brief(says.high)})"
    loss = f"{money(says.insured_loss)} ({money(says.insured_low)} to {money(says.insured_high)})"
    yield f"  accidents expected in a year 年预期事故数 {ranged}; insured loss 年预期赔款 {loss}"
    if made.expected_loss_ratio is not None:
        target = share(rulebook.loading.target_loss_ratio)
        yield f"  expected loss ratio 预期赔付率 {share(made.expected_loss_ratio)} (target 目标 {target})"
    yield f"  premium over the range 区间对应保费 {money(made.premium_low)} to {money(made.premium_high)}; by {says.bundle_id}"
    if says.relativity is None and rulebook.model is not None and rulebook.model.weight == "fitted":
        mend = f"forewarn train relativity --rulebook {rulebook.id}"
        yield f"  {words.NO_RELATIVITY.en}; `{mend}` fits one  {words.NO_RELATIVITY.zh}"
    for note in says.notes:
        yield f"  {note}"


def _because(sheet: Worksheet, step: Step) -> str:
    """The facts that a step looked at."""
    if not step.fact:
        return ""
    told = [f"{fact_words(sheet.rulebook, name).zh or name} {name} {value.en}" for name, value in used(sheet, step)]
    return ": " + ", ".join(told)


def _change(rulebook: Rulebook, one: Change) -> str:
    was, now = (level_words(rulebook, one.stage, one.name, level).en for level in (one.before, one.after))
    levels = f" ({was} -> {now})" if was != now else ""
    return f"  {one.amount:>+18,.2f}  {one.words_en} {one.words_zh}{levels}"
