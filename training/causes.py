"""Which cause does an accident narrative tell of? One linear model over several views of the text.

Views: words and pairs of words as they stand; parts of words; words by role, paired within a sentence (`narratives`); the same
of the title alone; and two spaces learned from untagged narratives (`latent`). Each view gives every pair of cases a likeness,
the weighted sum of the views one matrix; a linear classifier per cause (a support vector machine), each case weighing inversely
to how common its cause is, separates by it. With fewer cases than terms that is the same model as on the terms themselves, and
much smaller.

How strict the classifiers are, and how much the learned spaces count, is chosen by macro-F1 over folds of the training cases.
Probabilities come from a logistic regression on what the classifiers said of cases that they had not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy import sparse

from training.latent import Latent
from training.narratives import REACH, Cases, pairs

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]


class CausesConfig(BaseModel):
    """strictness: the C of the classifiers, from which one is chosen; latent: the weight of the learned spaces, likewise.

    least: the number of cases that a term must stand in. word_least: the same in the learned spaces. calibration: the C of
    the logistic regression behind the probabilities.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strictness: tuple[float, ...] = (0.05, 0.1, 0.2)
    latent: tuple[float, ...] = (0.5, 1.0, 2.0)
    folds: int = 5
    dimensions: int = 150
    least: int = 2
    word_least: int = 5
    calibration: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Seen:
    """Cases in the terms of each view, and in each learned space."""

    terms: Sequence[sparse.csr_matrix]
    spaces: Sequence[Floats]

    def likeness(self, other: "Seen") -> tuple[Floats, Floats]:
        """Of each case here to each case there, by terms and by learned spaces: float64[here, there] each."""
        by_terms = sum((mine @ others.T).toarray() for mine, others in zip(self.terms, other.terms, strict=True))
        by_spaces = sum(mine @ others.T for mine, others in zip(self.spaces, other.spaces, strict=True))
        return np.asarray(by_terms), np.asarray(by_spaces)


@dataclass(frozen=True)
class Views:
    """The vectorisers of the views, fitted; and the learned spaces."""

    terms: Sequence[Any]
    latent: Latent

    @classmethod
    def fit(cls, cases: Cases, latent: Latent, least: int) -> tuple["Views", Seen]:
        """The views, and the cases seen in them."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        hows: list[dict[str, Any]] = [
            {"ngram_range": (1, 2), "stop_words": "english"},
            {"ngram_range": (2, 5), "analyzer": "char_wb"},
            {"analyzer": pairs},
            {"ngram_range": (1, 3)},
        ]
        # Without titles there is no view of them.
        hows = hows if any(cases.titles) else hows[:-1]
        terms = [TfidfVectorizer(sublinear_tf=True, min_df=least, **how) for how in hows]
        seen = [view.fit_transform(texts) for view, texts in zip(terms, _texts(cases), strict=False)]
        return cls(terms, latent), Seen(seen, latent.places(cases.roles))

    def see(self, cases: Cases) -> Seen:
        seen = [view.transform(texts) for view, texts in zip(self.terms, _texts(cases), strict=False)]
        return Seen(seen, self.latent.places(cases.roles))


def _texts(cases: Cases) -> list[list[str]]:
    """What each view looks at, the titles last."""
    return [cases.whole, cases.whole, cases.roles, cases.title_roles]


@dataclass(frozen=True)
class CauseModel:
    """Says the cause of narratives. causes: in the order of the columns of what it says; chosen: (strictness, latent)."""

    causes: Sequence[str]
    views: Views
    seen: Seen
    turn: Floats
    classifiers: Any
    calibrator: Any
    chosen: tuple[float, float]

    def decide(self, cases: Cases) -> Floats:
        """What the classifier of each cause says: float64[cases, causes]; the largest is the cause."""
        by_terms, by_spaces = self.views.see(cases).likeness(self.seen)
        return _decisions(self.classifiers, (by_terms + self.chosen[1] * by_spaces) @ self.turn, len(self.causes))

    def probabilities(self, decisions: Floats) -> Floats:
        """float64[cases, causes], adding up to 1. Common causes are likelier here than in `cause`, which heeds rare ones."""
        return np.asarray(self.calibrator.predict_proba(decisions))

    def cause(self, decisions: Floats) -> list[str]:
        return [self.causes[place] for place in decisions.argmax(axis=1)]


def fit(cases: Cases, causes: Names, config: CausesConfig, latent: Latent | None = None) -> CauseModel:
    """Fit on tagged cases. latent: spaces learned from other narratives; without them from the tagged ones.

    Raises ValueError if there are not as many causes as cases, fewer than two causes, or a cause with fewer cases than folds.
    """
    names, code = np.unique(causes, return_inverse=True)
    if len(code) != len(cases) or len(names) < 2 or np.bincount(code).min() < config.folds:
        raise ValueError(f"{len(cases)} cases, {len(code)} causes of {len(names)} kinds for {config.folds} folds")
    views, seen = Views.fit(cases, latent or learn(cases, config), config.least)
    by_terms, by_spaces = seen.likeness(seen)
    weight, strictness, unseen = _choose(by_terms, by_spaces, code, config)
    spread, turn = coordinates(by_terms + weight * by_spaces)
    classifiers = _classifiers(spread, code, strictness)
    from sklearn.linear_model import LogisticRegression

    calibrator = LogisticRegression(C=config.calibration, max_iter=1000).fit(unseen, code)
    return CauseModel(names.tolist(), views, seen, turn, classifiers, calibrator, (strictness, weight))


def learn(cases: Cases, config: CausesConfig) -> Latent:
    """The spaces, from narratives that need no tag."""
    return Latent.fit(cases.roles, config.dimensions, REACH, config.word_least, config.seed)


def coordinates(likeness: Floats) -> tuple[Floats, Floats]:
    """Coordinates whose products are the likenesses [n, n], and what turns likenesses to the n into them; both [n, k].

    A linear model with a quadratic penalty is the same there as on the terms (representer theorem, Kimeldorf & Wahba 1971).
    """
    value, vector = np.linalg.eigh(likeness)
    kept = value > value[-1] * 1e-9
    root = np.sqrt(value[kept])
    return vector[:, kept] * root, vector[:, kept] / root


def _classifiers(spread: Floats, code: Codes, strictness: float) -> Any:
    from sklearn.svm import LinearSVC

    return LinearSVC(C=strictness, class_weight="balanced", max_iter=5000, random_state=0).fit(spread, code)


def _decisions(classifiers: Any, spread: Floats, causes: int) -> Floats:
    """[cases, causes]; of two causes the classifier says one number."""
    said = np.asarray(classifiers.decision_function(spread))
    return np.column_stack([-said, said]) if causes == 2 else said


def _choose(by_terms: Floats, by_spaces: Floats, code: Codes, config: CausesConfig) -> tuple[float, float, Floats]:
    """Weight of the learned spaces and strictness by macro-F1, and what the classifiers so chosen say of cases unseen."""
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold

    folds = list(StratifiedKFold(config.folds, shuffle=True, random_state=config.seed).split(code, code))
    found: list[tuple[float, float, float, Floats]] = []
    for weight in config.latent:
        spread = coordinates(by_terms + weight * by_spaces)[0]
        for strictness in config.strictness:
            said = np.empty((len(code), int(code.max()) + 1))
            for fitted, left in folds:
                classifiers = _classifiers(spread[fitted], code[fitted], strictness)
                said[left] = _decisions(classifiers, spread[left], said.shape[1])
            score = f1_score(code, said.argmax(axis=1), average="macro")
            found.append((float(score), weight, strictness, said))
    return max(found, key=lambda one: one[0])[1:]
