"""OSHA construction accidents: which of eleven causes does a narrative tell of? A thousand narratives tagged by researchers.

Protocol. Five stratified folds, with three seeds; the macro-F1 of all cases of a seed, each said while it was left out, and the
mean of the three. Title and narrative alone are read: the codes and keywords that the authority's own coders gave a case
(`cause`, `fatcause`, `newkeys`, ...) are close to the answer and are not. Settings are chosen within the training folds
(training/causes.py); which views of a text there are was found on other folds (seeds 10 to 12) of the same narratives, there
being no others, so the figure is a little too kind by that. The narratives that nobody tagged, where the folder has them, teach
the model words, nothing else; none of a tagged or predicted case is among them.

Rivals: a support vector machine on words and pairs of words by TF-IDF; the same with parts of words; and that with each case
weighing inversely to how common its cause is, which is what macro-F1 asks for. Intervals resample narratives, paired.

With a folder to predict, all tagged cases of the first are learned from, and the cases of `tagged1000*` in the other are
written in the order of the file: `id`, `cause`, and a probability `p_<cause>` for each. Its own tags are not read. A cause that
is rare may be said against a commoner one with a little more probability.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.errors import BadInput
from features.sources import osha
from training import causes as model
from training.benchmarks.result import Result, write_whole
from training.causes import CausesConfig
from training.intervals import Interval, draw, resample
from training.latent import Latent
from training.metrics import Floats, Statistic
from training.narratives import Cases

NAME = "osha-causes"
OURS = "Forewarn"
SEEDS, FOLDS, REPLICATES = (0, 1, 2), 5, 1000
# With fewer untagged narratives the tagged ones of the training folds teach the words.
LEAST_UNTAGGED = 200

Say = Callable[[str], None]
Names = npt.NDArray[np.str_]
Codes = npt.NDArray[np.int64]
Row = dict[str, Interval | float | int | str | None]
# Cases and causes to learn from, cases to say the cause of.
Coder = Callable[[Cases, Names, Cases], Sequence[str]]


@dataclass(frozen=True)
class Tagged:
    """Tagged cases in the order of the file: their ids, texts and causes."""

    ids: npt.NDArray[np.int64]
    cases: Cases
    causes: Names


def run(train: Path, predict: Path | None, out: Path | None, progress: Say) -> Result:
    """The folds of the folder's tagged cases; or learn from all of them and write what those of `predict` tell of."""
    config = CausesConfig()
    progress(f"read {train}")
    tagged = read(train)
    if predict is not None and out is not None:
        asked = osha.tagged(predict, told=False)
        untagged = learned(train, [tagged.ids, asked["id"].to_numpy()], config, progress)
        progress(f"fit on {len(tagged.ids)} tagged cases, say {len(asked)}")
        write(model.fit(tagged.cases, tagged.causes, config, untagged), asked, out)
        return Result(NAME, (), predictions=out, notes=(NOTES[0],), facts={"tagged": len(tagged.ids), "predicted": len(asked)})
    untagged = learned(train, [tagged.ids], config, progress)
    said = {name: left_out(tagged, coder, progress, name) for name, coder in coders(config, untagged).items()}
    facts = {"cases": len(tagged.ids), "seeds": list(SEEDS), "by cause": by_cause(tagged.causes, said[OURS])}
    return Result(NAME, judged(tagged.causes, said), notes=NOTES, facts=facts)


def read(folder: Path) -> Tagged:
    """The tagged cases. Raises BadInput on one cause only, or a cause with too few cases for folds within folds."""
    table = osha.tagged(folder)
    causes = table["Tagged2"].str.strip().to_numpy(dtype=str)
    kinds, count = np.unique(causes, return_counts=True)
    # A training fold of the least of them has to be cut into as many folds again.
    least = FOLDS + 2
    if len(kinds) < 2 or count.min() < least:
        rare = ", ".join(f"{kind} ({number})" for kind, number in zip(kinds, count, strict=True) if number < least)
        raise BadInput(
            f"causes with fewer than {least} cases: {rare}" if rare else "cases of one cause only",
            where=f"{folder}, column Tagged2", mend="add cases, or put rare causes together",
        )  # fmt: skip
    return Tagged(table["id"].to_numpy(), _cases(table, "Summary2"), causes)


def _cases(table: pd.DataFrame, column: str) -> Cases:
    return Cases.of(table["title"].fillna("").tolist(), table[column].tolist())


def learned(folder: Path, asked: Sequence[npt.NDArray[np.int64]], config: CausesConfig, progress: Say) -> Latent | None:
    """The spaces learned from the narratives of the folder that are none of those asked about; None if they are too few."""
    if not list(folder.glob(f"{osha.STEM}*")):
        return None
    table = osha.narratives(folder)
    table = table[~table["id"].isin(np.concatenate(asked))]
    if len(table) < LEAST_UNTAGGED:
        return None
    progress(f"words of {len(table)} untagged narratives")
    return model.learn(_cases(table, "SUMMARY"), config)


def coders(config: CausesConfig, untagged: Latent | None) -> dict[str, Coder]:
    """The model, and those that it is compared with, in the order of the table."""

    def ours(cases: Cases, causes: Names, asked: Cases) -> Sequence[str]:
        fitted = model.fit(cases, causes, config, untagged)
        return fitted.cause(fitted.decide(asked))

    return {
        "TF-IDF of words, SVM": partial(_svm, parts=False, weight=None),
        "TF-IDF of words and characters, SVM": partial(_svm, parts=True, weight=None),
        "the same, causes balanced": partial(_svm, parts=True, weight="balanced"),
        OURS: ours,
    }


def _svm(cases: Cases, causes: Names, asked: Cases, *, parts: bool, weight: str | None) -> Sequence[str]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    views = [TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)]
    if parts:
        views.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2))
    fitted = make_pipeline(make_union(*views), LinearSVC(class_weight=weight, random_state=0)).fit(cases.whole, causes)
    return [str(one) for one in fitted.predict(asked.whole)]


def left_out(tagged: Tagged, coder: Coder, progress: Say, name: str) -> list[Names]:
    """By seed, the cause said of each case while its fold was left out."""
    from sklearn.model_selection import StratifiedKFold

    found = []
    for seed in SEEDS:
        progress(f"{name}, seed {seed}")
        said = np.empty(len(tagged.causes), dtype=tagged.causes.dtype)
        for fitted, left in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(tagged.causes, tagged.causes):
            said[left] = coder(tagged.cases.take(fitted.tolist()), tagged.causes[fitted], tagged.cases.take(left.tolist()))
        found.append(said)
    return found


def macro_f1(truth: Names, said: Sequence[Names]) -> Statistic:
    """Macro-F1, the mean over the seeds, as a function of how often each narrative counts."""
    kinds = np.unique(truth)
    true = (truth[:, None] == kinds).astype(np.float64)
    by_seed = [(one[:, None] == kinds).astype(np.float64) for one in said]

    def of(weights: Floats) -> Floats:
        scores = [2.0 * (weights @ (true * one)) / np.maximum(weights @ (true + one), 1e-12) for one in by_seed]
        return np.asarray(np.mean(scores, axis=0).mean(axis=1))

    return of


def judged(truth: Names, said: Mapping[str, Sequence[Names]]) -> list[Row]:
    """Macro-F1 and accuracy of each, and what the model gains on it, paired."""
    weights = resample(len(truth), REPLICATES, seed=0)
    drawn = {name: draw(macro_f1(truth, one), weights) for name, one in said.items()}
    rows: list[Row] = []
    for name, one in said.items():
        rows.append({
            "forecast": name,
            "macro-F1": drawn[name].interval(),
            f"{OURS} gains": None if name == OURS else drawn[OURS].minus(drawn[name]).interval(),
            "accuracy": float(np.mean([truth == by_seed for by_seed in one])),
        })  # fmt: skip
    return rows


def by_cause(truth: Names, said: Sequence[Names]) -> dict[str, dict[str, float | int]]:
    """How many cases each cause has, and its F1, the mean over the seeds."""
    found: dict[str, dict[str, float | int]] = {}
    for kind in np.unique(truth).tolist():
        scores = [
            2.0 * float(((truth == kind) & (one == kind)).sum()) / float((truth == kind).sum() + (one == kind).sum())
            for one in said
        ]
        found[kind] = {"cases": int((truth == kind).sum()), "F1": round(float(np.mean(scores)), 3)}
    return found


def write(fitted: model.CauseModel, asked: pd.DataFrame, out: Path) -> None:
    """id, cause and the probability of each cause, in the order of the file."""
    decisions = fitted.decide(_cases(asked, "Summary2"))
    by_case = fitted.probabilities(decisions)
    probabilities = {f"p_{kind}": by_case[:, place] for place, kind in enumerate(fitted.causes)}
    write_whole(pa.table({"id": asked["id"].to_numpy(), "cause": fitted.cause(decisions), **probabilities}), out)


NOTES = (
    "Title and narrative alone are read; the codes and keywords that the authority gave a case are not.",
    "Settings are chosen within the training folds; the views of a text were designed on other folds of the same narratives.",
    "Intervals are 95 %, narratives resampled, the same resamples for all rows.",
    "Seeds are other folds of the same cases: their mean is steadier, not more data.",
)
