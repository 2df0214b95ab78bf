"""A rulebook in words: what it multiplies by what, and where that stands."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from serving.underwriting.numbers import plain
from serving.underwriting.rulebook import Rulebook
from serving.underwriting.rulebook_notes import notes
from serving.underwriting.rulebook_parts import Band, Case, Condition, Credibility, Factor, First, Linear, Ncci


def described(rulebook: Rulebook) -> str:
    """The rulebook as a page of text, English and Chinese side by side as it names things."""
    return "\n".join(_page(rulebook))


def _page(one: Rulebook) -> Iterator[str]:
    yield f"{one.id} {one.version}: {one.title_en}"
    yield f"{one.title_zh}"
    mark = "  ILLUSTRATIVE: nobody may be charged by it" if one.illustrative else ""
    yield f"{one.market}, {one.currency}, in force {one.effective_from} to {one.effective_to}{mark}"
    yield f"digest {one.digest}"
    if one.industries:
        yield f"for {', '.join(one.industries)}"
    yield from _base(one)
    for title, factors in (("Factors", one.factors), ("Incentives", one.incentives)):
        if factors:
            yield f"\n{title}"
        for factor in factors:
            yield from _factor(factor)
    yield from _rest(one)
    yield from _during(one)
    noted = [finding.what for finding in notes(one)]
    if noted:
        yield "\nNotes"
        yield from (f"  {what}" for what in noted)
    yield "\nClauses"
    for name, clause in one.clauses.items():
        yield f"  {name} ({clause.status}): {clause.citation}"
        yield f"    {clause.text_en}"
        yield f"    {clause.text_zh}"


def _base(one: Rulebook) -> Iterator[str]:
    base = one.base
    yield f"\nBase [{base.clause}]"
    yield f"  {base.words_en} ({base.words_zh}); {base.rates_are} rates"
    per = "" if base.per == 1 else f" / {plain(base.per)}"
    quantity = base.fact or "an amount a policy"
    if base.rate is not None:
        yield f"  {quantity} x {plain(base.rate)}{per}"
    elif base.rates:
        yield f"  {quantity} x rate{per} by {base.by}: {_pairs(base.rates.items())}"
    else:
        rates = _pairs((band.level, band.value) for band in base.tiers)
        yield f"  {quantity} x rate{per} by {base.by or base.fact}, {base.tiers_apply}: {rates}"


def _factor(factor: Factor) -> Iterator[str]:
    yield f"  {factor.name} [{factor.clause}]: {factor.words_en} ({factor.words_zh}); not known: {factor.missing}"
    if factor.kind == "table":
        yield f"    {factor.fact}: {_pairs(factor.levels.items())}"
    elif factor.kind == "bands":
        yield f"    {factor.fact}: {_bands(factor.bands)}"
    elif isinstance(factor.rule, First):
        yield from _cases(factor.rule.cases)
    elif isinstance(factor.rule, Linear):
        rule = factor.rule
        beyond = f"({factor.fact} - {plain(rule.beyond)})" if rule.beyond else factor.fact
        yield f"    {plain(rule.base)} + {plain(rule.each)} x {beyond}, {plain(rule.floor)} to {plain(rule.cap)}"
    elif factor.rule is not None:
        yield f"    {_formula(factor.rule)}, {plain(factor.rule.floor)} to {plain(factor.rule.cap)}"


def _formula(rule: Credibility | Ncci) -> str:
    expected = f"{rule.expected.fact} x {plain(rule.expected.rate)} x {plain(rule.expected.years)} years"
    if isinstance(rule, Credibility):
        return f"Buhlmann-Straub: ({rule.actual} + k) / (expected + k), expected = {expected}, k = {plain(rule.k)}"
    shares = f"primary share {plain(rule.primary)}, weight {_by_size(rule.weight)}, ballast {_by_size(rule.ballast)}"
    return f"NCCI modification of {rule.actual_primary} and {rule.actual_excess}; expected = {expected}; {shares}"


def _by_size(value: Decimal | tuple[Band, ...]) -> str:
    return plain(value) if isinstance(value, Decimal) else f"by expected ({_bands(value)})"


def _rest(one: Rulebook) -> Iterator[str]:
    """Model, limits, loading, cover and premium."""
    if one.model is not None:
        model = one.model
        weight = model.weight if isinstance(model.weight, str) else plain(model.weight)
        yield f"\nModel's relativity [{model.clause}]: {plain(model.floor)} to {plain(model.cap)}, weight {weight}"
    if one.limits is not None:
        named = [("product at least", one.limits.product_floor), ("product at most", one.limits.product_cap)]
        named += [("change down at most", one.limits.change_down), ("change up at most", one.limits.change_up)]
        bounds = ", ".join(f"{words} {plain(value)}" for words, value in named if value is not None)
        yield f"\nLimits [{one.limits.clause}]: {bounds}"
    loading, cover, premium = one.loading, one.cover, one.premium
    shares = f"expense {plain(loading.expense)}, commission {plain(loading.commission)}"
    yield f"\nLoading [{loading.clause}]: {shares}, target loss ratio {plain(loading.target_loss_ratio)}"
    allowed = ", ".join(cover.terms) or "none"
    least = plain(cover.least_limit_per_person)
    yield f"Cover [{cover.clause}]: at least {least} a person, share {plain(cover.covered_share)}; other terms: {allowed}"
    most = "" if premium.maximum is None else f", at most {plain(premium.maximum)}"
    yield f"Premium [{premium.clause}]: at least {plain(premium.minimum)}{most}; {' > '.join(premium.order)}"
    yield f"  rounded to {plain(premium.rounding_step)}, {premium.rounding_mode}; part of a year: {premium.pro_rata}"


def _during(one: Rulebook) -> Iterator[str]:
    """Adjustments, prevention and rebate."""
    if one.term is not None:
        yield f"\nDuring the term [{one.term.clause}], at most {plain(one.term.cap)}"
        if one.term.overdue:
            yield f"  overdue hazards: {_bands(one.term.overdue)}"
        if one.term.accidents:
            yield f"  accident: {_pairs(one.term.accidents.items())}"
    service = one.prevention
    yield f"\nPrevention [{service.clause}]: {plain(service.floor)} to {plain(service.cap)} of premium received"
    for row in service.minimum_visits:
        yield f"  {plain(row.visits)} visits a year at least [{row.clause}]: {', '.join(row.industries) or 'all others'}"
    if one.rebate is not None:
        yield f"\nRebate, a share of the premium received [{one.rebate.clause}]"
        yield from _cases(one.rebate.cases)


def _cases(cases: Sequence[Case]) -> Iterator[str]:
    for case in cases:
        when = " and ".join(_condition(one) for one in case.when) or "otherwise"
        yield f"    {plain(case.value)}  {case.name}: {when}"


def _condition(one: Condition) -> str:
    if one.equals is not None:
        return f"{one.fact} is {str(one.equals).lower() if isinstance(one.equals, bool) else one.equals}"
    return f"{one.fact} {one.bounds}"


def _bands(bands: Sequence[Band]) -> str:
    return _pairs((band.level, band.value) for band in bands)


def _pairs(levels: Iterable[tuple[str, Decimal]]) -> str:
    return "; ".join(f"{level} = {plain(value)}" for level, value in levels)
