"""Fitted relativities for quotes: what `forewarn train relativity` left under home, as decimals."""

from pathlib import Path

from serving.underwriting.numbers import of_model
from serving.underwriting.terms import RelativityFacts
from training.enterprise.relativity_document import read


def load(home: Path, digest: str, bundle_id: str) -> RelativityFacts | None:
    """The relativity of a rulebook and a bundle; None if none was fitted. Raises BadInput on a damaged document."""
    found = read(home, digest, bundle_id)
    if found is None:
        return None
    return RelativityFacts(
        rulebook_digest=digest,
        bundle_id=bundle_id,
        level=of_model(found.level),
        weight=of_model(found.weight),
        weight_low=of_model(found.weight_low),
        weight_high=of_model(found.weight_high),
        fitted_on=found.fitted_on,
    )
