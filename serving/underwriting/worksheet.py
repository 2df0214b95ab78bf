"""A premium worksheet: everything that a premium was made from, and how; a document that can be replayed years later.

It holds the rulebook's own text, the facts with their evidence, the terms and the model's numbers as decimals. Nothing else is
needed to make the premium again: neither a new rulebook nor a new model nor new rows can change what was quoted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Self, TypeVar

from features.errors import BadInput
from serving.underwriting.facts import Fact, Facts
from serving.underwriting.numbers import plain
from serving.underwriting.premium import Charge, Step, charge
from serving.underwriting.rulebook import Rulebook, document_of
from serving.underwriting.terms import ModelSays, RelativityFacts, Terms

FORMAT = 1
Spoken = TypeVar("Spoken", Terms, ModelSays)
_STEP = tuple(one.name for one in fields(Step))
_TERMS = tuple(one.name for one in fields(Terms))
_CHARGE = tuple(one.name for one in fields(Charge) if one.name != "steps")
_MODEL = ("expected", "low", "high", "insured_loss", "insured_low", "insured_high")
_TERMS_AS_THEY_ARE = ("starts", "ends", "currency", "headcount")
_RELATIVITY = ("level", "weight", "weight_low", "weight_high")


@dataclass(frozen=True)
class Worksheet:
    """A premium with all it was made from. enterprise_id: None for a prospect.  name: how people call it."""

    rulebook: Rulebook
    facts: Facts
    terms: Terms
    says: ModelSays | None
    charge: Charge
    enterprise_id: str | None = None
    name: str | None = None

    @classmethod
    def make(
        cls,
        rulebook: Rulebook,
        facts: Facts,
        terms: Terms,
        says: ModelSays | None,
        *,
        enterprise_id: str | None = None,
        name: str | None = None,
    ) -> Self:
        """The worksheet of a policy. Raises BadInput as `charge` does."""
        # Reckoned with as a document gives them back: 1.2E+2 and 120 are the same, their products have not the same digits.
        if any(_as_read(one.value) is not one.value for one in facts.known.values()):
            facts = replace(facts, known={key: replace(one, value=_as_read(one.value)) for key, one in facts.known.items()})
        terms, says = _all_as_read(terms), None if says is None else _all_as_read(says)
        return cls(rulebook, facts, terms, says, charge(rulebook, facts, terms, says), enterprise_id, name)

    def document(self) -> dict[str, Any]:
        """JSON that `from_document` and `replay` read: decimals as text, days as ISO 8601."""
        rulebook = self.rulebook
        known = [{"name": one.name, **_tagged(one.value), "evidence": one.evidence} for one in self.facts.values()]
        return {
            "worksheet": FORMAT,
            "enterprise_id": self.enterprise_id,
            "name": self.name,
            "rulebook": {"id": rulebook.id, "version": rulebook.version, "digest": rulebook.digest, "source": rulebook.source},
            "facts": {"as_of": self.facts.as_of.isoformat(), "currency": self.facts.currency, "known": known},
            "terms": {name: _plain(getattr(self.terms, name)) for name in _TERMS},
            "model": None if self.says is None else _model_document(self.says),
            "charge": charge_document(self.charge),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The worksheet as it was stored: nothing is computed again. Raises BadInput where it is no worksheet's document."""
        try:
            if document["worksheet"] != FORMAT:
                raise ValueError(f"format {document['worksheet']}")
            said = None if document["model"] is None else _model_from(document["model"])
            parts = (_facts_from(document["facts"]), _terms_from(document["terms"]), said, _charge_from(document["charge"]))
            return cls(_rulebook(document["rulebook"]["source"]), *parts, document["enterprise_id"], document["name"])
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            what = f"not a worksheet's document: {type(error).__name__} {error}"
            raise BadInput(what, where="worksheet", mend="give the document of a stored quote") from None


@dataclass(frozen=True)
class Difference:
    """What a replay found to be otherwise: where in the document, as stored and as made again."""

    where: str
    stored: str
    now: str

    def __str__(self) -> str:
        return f"{self.where}: stored {self.stored}, replayed {self.now}"


def replay(document: Mapping[str, Any]) -> tuple[Worksheet, list[Difference]]:
    """Makes the premium again from the document's own inputs, and compares every step with what was stored.

    Raises BadInput where the document is none, or its inputs give no premium.
    """
    stored = Worksheet.from_document(document)
    again = Worksheet.make(
        stored.rulebook, stored.facts, stored.terms, stored.says, enterprise_id=stored.enterprise_id, name=stored.name
    )
    digest, now = document["rulebook"].get("digest"), stored.rulebook.digest
    found = [Difference("rulebook.digest", str(digest), now)] if digest != now else []
    return again, found + list(_differences("charge", document["charge"], charge_document(again.charge)))


def charge_document(made: Charge) -> dict[str, Any]:
    """A charge as JSON."""
    steps = [{name: _plain(getattr(one, name)) for name in _STEP} for one in made.steps]
    return {**{name: _plain(getattr(made, name)) for name in _CHARGE}, "steps": steps}


def _differences(where: str, stored: Any, now: Any) -> list[Difference]:
    if isinstance(stored, Mapping) and isinstance(now, Mapping):
        keys = [*stored, *(key for key in now if key not in stored)]
        return [one for key in keys for one in _differences(f"{where}.{key}", stored.get(key), now.get(key))]
    if isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        pairs = enumerate(zip(stored, now, strict=True), start=1)
        return [one for place, (was, new) in pairs for one in _differences(f"{where}[{place}]", was, new)]
    return [] if stored == now else [Difference(where, str(stored), str(now))]


@lru_cache(maxsize=64)
def _rulebook(source: str) -> Rulebook:
    """A rulebook from its stored text. It was judged when it was loaded: a check made later judges no old quote."""
    return Rulebook.model_validate(document_of(source, "stored rulebook") | {"source": source})


def _as_read(value: Any) -> Any:
    """A number without a power of ten behind it; anything else as it is."""
    return Decimal(plain(value)) if isinstance(value, Decimal) and value.as_tuple().exponent > 0 else value  # type: ignore[operator]


def _all_as_read(one: Spoken) -> Spoken:
    told = {part.name: getattr(one, part.name) for part in fields(one)}
    read = {name: _as_read(value) for name, value in told.items()}
    return one if all(read[name] is told[name] for name in told) else replace(one, **read)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    return value.isoformat() if isinstance(value, date) else value


def _tagged(value: Decimal | str | bool | date) -> dict[str, Any]:
    """A fact's value with its kind, since a code may look like a number."""
    if isinstance(value, bool):
        return {"kind": "flag", "value": value}
    if isinstance(value, Decimal):
        return {"kind": "number", "value": plain(value)}
    return {"kind": "date", "value": value.isoformat()} if isinstance(value, date) else {"kind": "code", "value": value}


def _untagged(kind: str, value: Any) -> Decimal | str | bool | date:
    if kind == "number":
        return Decimal(value)
    if kind == "date":
        return date.fromisoformat(value)
    return bool(value) if kind == "flag" else str(value)


def _facts_from(document: Mapping[str, Any]) -> Facts:
    known = {one["name"]: Fact(one["name"], _untagged(one["kind"], one["value"]), one["evidence"]) for one in document["known"]}
    text = document["as_of"]
    as_of = datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    return Facts(as_of, document["currency"], known)


def _terms_from(document: Mapping[str, Any]) -> Terms:
    known: dict[str, Any] = {name: _decimal(value) for name, value in document.items() if name not in _TERMS_AS_THEY_ARE}
    known |= {"currency": document["currency"], "headcount": document["headcount"]}
    return Terms(starts=date.fromisoformat(document["starts"]), ends=date.fromisoformat(document["ends"]), **known)


def _charge_from(document: Mapping[str, Any]) -> Charge:
    steps = [one | {name: Decimal(one[name]) for name in ("value", "before", "after")} for one in document["steps"]]
    known: dict[str, Any] = {name: _decimal(document[name]) for name in _CHARGE}
    return Charge(steps=tuple(Step(**one) for one in steps), **known)


def _model_document(says: ModelSays) -> dict[str, Any]:
    fitted = says.relativity
    relativity = None
    if fitted is not None:
        relativity = {one.name: _plain(getattr(fitted, one.name)) for one in fields(fitted)}
    known = {one.name: _plain(getattr(says, one.name)) for one in fields(says)}
    return known | {"relativity": relativity, "notes": list(says.notes)}


def _model_from(document: Mapping[str, Any]) -> ModelSays:
    fitted = document["relativity"]
    relativity = None if fitted is None else RelativityFacts(**(fitted | {name: Decimal(fitted[name]) for name in _RELATIVITY}))
    known: dict[str, Any] = dict(document) | {name: Decimal(document[name]) for name in _MODEL}
    return ModelSays(**(known | {"notes": tuple(document["notes"]), "relativity": relativity}))


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
