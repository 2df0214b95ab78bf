"""What rating and comparing a book came to: as a document, as text, as a page, and policy by policy as a file."""

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from features.documents import cell, write_text
from serving.books import claims as book_claims
from serving.books import page as book_page
from serving.books.claims import Told
from serving.books.rate import Rating
from serving.books.segments import cuts
from serving.books.words import PARTS
from serving.underwriting.comparison import WHOLE, Moved, by_factor, steepest
from serving.underwriting.experience import Ratio, ratio
from training.report_words import Text

_SHOWN = 10


def told(one: Rating) -> Told | None:
    """What the book's claims say of a rating."""
    return book_claims.told(one.book, one.premiums, one.rated.accidents, one.rated.losses)


def rated_document(one: Rating) -> dict[str, Any]:
    """The result of `forewarn book rate`: totals, loss ratios, actual over expected; amounts as decimals in text."""
    document = _head(one) | {
        "premium_charged": str(one.charged),
        "premium": str(one.rated.total),
        "notes": list(one.rated.notes),
    }
    if one.rated.balanced is not None:
        balanced = one.rated.balanced
        document["off_balance"] = {
            "total": str(balanced.total), "factor": str(balanced.factor), "at_minimum": balanced.at_floor
        }  # fmt: skip
    found = told(one)
    if found is not None:
        part = found.experience
        document["claims"] = {
            "until": str(found.until),
            "claims": int(part.claims.sum()),
            "incurred": float(part.incurred.sum()),
            "loss_ratio_charged": _plain(ratio(part.incurred, part.charged)),
            "loss_ratio_rated": _plain(ratio(part.incurred, part.rated)),
            "claims_over_expected": _plain(ratio(part.claims, part.accidents)),
            "cost_over_expected": _plain(ratio(part.incurred, part.losses)),
            "development": [float(factor) for factor in found.developed.factors],
        }
    return document


def compared_document(one: Rating, other: Rating) -> dict[str, Any]:
    """The result of `forewarn book compare`: both totals, what each factor moves, and who moves the most."""
    found = moved(one, other)
    parts = {
        name: {"up": _cents(found.parts[:, place].clip(0)), "down": _cents(found.parts[:, place].clip(None, 0))}
        for place, name in enumerate(found.names)
        if found.parts[:, place].any()
    }
    ends = dict(zip(("rise_most", "fall_most"), steepest(found, _SHOWN), strict=True))
    policies = {name: [_policy(one, other, found, row) for row in rows] for name, rows in ends.items()}
    totals = {"premium": [str(side.rated.total) for side in (one, other)], "difference": _cents(found.total)}
    return {"tariffs": [_head(one), _head(other)], **totals, "by_factor": parts, **policies}


def moved(one: Rating, other: Rating) -> Moved:
    """The difference of two ratings by factor."""
    return by_factor(one.rated.ratios(), other.rated.ratios(), one.rated.cents, other.rated.cents)


def rated_text(document: Mapping[str, Any]) -> str:
    """The same for people."""
    currency = document["currency"]
    lines = [
        f"{document['policies']:,} policies of {document['name']} by {_by(document)}",
        f"  premium as rated   {currency} {Decimal(document['premium']):>20,.2f}",
        f"  premium as charged {currency} {Decimal(document['premium_charged']):>20,.2f}",
    ]
    if balanced := document.get("off_balance"):
        held = f", {balanced['at_minimum']:,} at their minimum" if balanced["at_minimum"] else ""
        lines.append(f"  off-balance: kept to {currency} {Decimal(balanced['total']):,.2f} by x {balanced['factor']}{held}")
    if claims := document.get("claims"):
        words = (
            ("loss ratio as charged", "loss_ratio_charged"), ("loss ratio as rated", "loss_ratio_rated"),
            ("claims over expected accidents", "claims_over_expected"), ("their cost over the expected", "cost_over_expected"),
        )  # fmt: skip
        lines.append(f"  {claims['claims']:,} claims by {claims['until']}, developed:")
        for name, key in words:
            if (told_ := claims[key]) is not None:
                lines.append(f"    {name:<32} {told_['value']:.3f} ({told_['low']:.3f} to {told_['high']:.3f})")
    return "\n".join([*lines, *(f"  {note}" for note in document["notes"])])


def compared_text(document: Mapping[str, Any]) -> str:
    """The same for people."""
    one, other = document["tariffs"]
    lines = [f"{one['policies']:,} policies of {one['name']}"]
    for side, premium in zip((one, other), document["premium"], strict=True):
        lines.append(f"  {side['currency']} {Decimal(premium):>20,.2f}  {_by(side)}")
    for name, part in sorted(document["by_factor"].items(), key=lambda item: -abs(Decimal(item[1]["up"]))):
        lines.append(f"    {name:<28} {Decimal(part['up']):>+18,.2f} {Decimal(part['down']):>+18,.2f}")
    for words, key in (("rise the most", "rise_most"), ("fall the most", "fall_most")):
        lines.append(f"  {words}:")
        for policy in document[key]:
            why = ", ".join(f"{name} {Decimal(amount):+,.2f}" for name, amount in list(policy["by_factor"].items())[:3])
            lines.append(f"    {policy['policy_id']}: {policy['before']} -> {policy['after']} ({why})")
    return "\n".join(lines)


def write_rated(path: Path, one: Rating) -> Path:
    """The page of a rated book."""
    return book_page.write(path, book_page.rated_page(one.book, _identity(one), one.charged, _side(one), cuts(one.facts)))


def write_compared(path: Path, one: Rating, other: Rating) -> Path:
    """The page of two tariffs."""
    before, after = _side(one), _side(other)
    found = moved(one, other)
    identity = _identity(one) | {
        "Other rulebook 另一规则书": other.rated.rulebook,
        "Other bundle 另一模型包": other.rated.bundle_id or "–",
    }
    steps = {step.name: Text(step.words_en, step.words_zh) for side in (one, other) for step in side.rated.steps}
    names = {name: steps.get(name) or PARTS.get(name) or Text(name, name) for name in found.names}
    page = book_page.compared_page(one.book, identity, before, after, found, cuts(one.facts), names)
    return book_page.write(path, page)


def write_policies(path: Path, sides: Sequence[Rating]) -> Path:
    """Every policy in one row: premium charged, premiums as rated, what each step multiplied by; of two, why they differ."""
    first = sides[0]
    columns: dict[str, Sequence[Any]] = {
        "policy_id": [cell(key) for key in first.rated.keys],
        "charged": first.book.policies.column("premium").to_pylist(),
    }
    for number, side in enumerate(sides, start=1):
        tail = f"_{number}" if len(sides) > 1 else ""
        columns[f"premium{tail}"] = side.rated.final
        for step in side.rated.steps:
            columns[f"{step.name}{tail}"] = [f"{value:.10g}" for value in step.ratio]
    if len(sides) > 1:
        found = moved(sides[0], sides[1])
        columns["difference"] = [f"{cents / 100:.2f}" for cents in found.total]
        for place, name in enumerate(found.names):
            if found.parts[:, place].any() or name != WHOLE:
                columns[f"because_{name}"] = [f"{cents / 100:.2f}" for cents in found.parts[:, place]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(cell, columns))
    writer.writerows(zip(*columns.values(), strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, text.getvalue())


def _head(one: Rating) -> dict[str, Any]:
    return {
        "name": one.book.name,
        "currency": one.book.currency,
        "policies": len(one.book),
        "left_out": len(one.left_out),
        "rulebook": one.rated.rulebook,
        "bundle": one.rated.bundle_id,
    }


def _identity(one: Rating) -> dict[str, str]:
    illustrative = " (illustrative 示例)" if one.rulebook.illustrative else ""
    return {
        "Book 保单组合": one.book.name,
        "Content 内容摘要": one.book.digest,
        "Currency 币种": one.book.currency,
        "Rulebook 规则书": f"{one.rated.rulebook}{illustrative}",
        "Bundle 模型包": one.rated.bundle_id or "–",
        "Policies 保单": f"{len(one.book):,}" + (f" ({len(one.left_out):,} left out 未计)" if one.left_out else ""),
    }


def _by(head: Mapping[str, Any]) -> str:
    return f"{head['rulebook']} and {head['bundle'] or 'no model'}"


def _side(one: Rating) -> book_page.Side:
    return book_page.Side(_words(one), one.rulebook, one.rated, told(one), one.premiums)


def _words(one: Rating) -> Text:
    return Text(f"{one.rated.rulebook} · {one.rated.bundle_id}" if one.rated.bundle_id else one.rated.rulebook, "")


def _policy(one: Rating, other: Rating, found: Moved, row: int) -> dict[str, Any]:
    order = np.argsort(-np.abs(found.parts[row]), kind="stable")
    why = {found.names[place]: _cents(found.parts[row, place]) for place in order if found.parts[row, place]}
    ends = {"before": str(one.rated.final[row]), "after": str(other.rated.final[row])}
    return {"policy_id": one.rated.keys[row], **ends, "by_factor": why}


def _cents(cents: Any) -> str:
    return str(Decimal(int(np.sum(cents))).scaleb(-2))


def _plain(found: Ratio) -> dict[str, float] | None:
    return vars(found).copy() if np.isfinite(found.value) else None
