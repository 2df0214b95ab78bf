"""What is otherwise today than when a quote was made, in plain words: its rulebook, and what the lake tells of its facts.

Neither changes the quote: it stands on the text, the facts and the numbers that its worksheet kept.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from features.errors import NotFound, UserError
from serving.pricing.rows import StoredQuote
from serving.underwriting.worksheet import Worksheet


def today(home: Path, quote: StoredQuote) -> tuple[str, ...]:
    """Lines; none where rulebook and lake are as they were."""
    try:
        sheet = Worksheet.from_document(quote.document)
    except UserError:
        return ()  # the replay says so
    return (*_rulebook(home, sheet), *_facts(home, quote, sheet))


def _rulebook(home: Path, sheet: Worksheet) -> Iterator[str]:
    from serving.pricing.rulebooks import rulebook_named

    kept = sheet.rulebook
    stands = "the quote stands on the text that it kept"
    try:
        now = rulebook_named(home, kept.id)
    except NotFound:
        yield f"rulebook {kept.id} is there no more: {stands}"
        return
    except UserError as error:
        yield f"rulebook {kept.id} cannot be used today ({error}): {stands}"
        return
    if now.digest != kept.digest:
        how = "was changed" if now.version == kept.version else f"is version {now.version} today, then {kept.version}"
        yield f"rulebook {kept.id} {how}: {stands}"
    if datetime.now(UTC).date() > now.effective_to:
        yield f"rulebook {kept.id} has lapsed, its last day was {now.effective_to}: {stands}"


def _facts(home: Path, quote: StoredQuote, sheet: Worksheet) -> Iterator[str]:
    """Facts of the lake that come out otherwise with rows which were imported since, though recorded by then."""
    as_of, whose = sheet.facts.as_of, quote.enterprise_id
    if whose is None or not isinstance(as_of, datetime) or not (home / "lake").is_dir():
        return
    from features.lake import Lake
    from serving.pricing.quotes import of_lake
    from serving.risk_evidence import Knowledge

    try:
        now = of_lake(Knowledge.of(Lake.open(home / "lake")), None, whose, as_of, evidence=False).facts
    except UserError as error:
        yield f"today's lake does not tell the facts of {as_of:%Y-%m-%d}: {error}"
        return
    # What was stated beside the lake is no row of it.
    then = {name: fact.value for name, fact in sheet.facts.items() if name in now or fact.evidence not in ("stated", "what if")}
    for name in (*then, *(name for name in now if name not in then)):
        was, is_ = then.get(name), now.value(name)
        if was != is_ and quote.kind == "quote":
            told = "no longer known" if is_ is None else f"{is_}"
            yield f"fact {name} of {as_of:%Y-%m-%d}: {'not known' if was is None else was} then, {told} by the lake of today"
