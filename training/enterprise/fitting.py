"""Parts of a training run of the enterprise scores: models on the same rows, and what is made of their word on rows unseen."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from features.enterprise.catalog import catalog
from features.errors import BadInput
from training.count_blend import fit_blend
from training.enterprise.config import EnterpriseConfig, ScoreConfig
from training.enterprise.linear import fit_linear
from training.enterprise.model import FREE, SCORES, SIGNED, Models, ScoreFacts
from training.enterprise.parts import INTERVAL, RECORD, Floats, Rows
from training.enterprise.unlike import Unlike
from training.frequency import Boosted, CountRows, fit_boosted, grouped

# Whatever a score may see, more hazards that an enterprise reports of itself never raise it: reporting is what a service wants.
HONEST = {name: sign for name, sign in catalog().directions.items() if name.startswith("hazard_self") and sign < 0}
Say = Callable[[str], None]


def fit_models(config: EnterpriseConfig, rows: CountRows, *, progress: Say, names: tuple[str, ...] = (SIGNED, FREE)) -> Models:
    """The log-linear model and the sorts of boosters named on the same rows, not yet blended."""
    seed, threads = config.seed, config.threads
    charged, signs = charged_of(config)
    progress("log-linear model with signs")
    linear = fit_linear(rows, charged, directions=signs, **config.linear.model_dump(), seed=seed)
    boosters: dict[str, tuple[tuple[int, ...], Boosted]] = {}
    for name, seen, monotone, how in (
        (SIGNED, charged, signs, config.price.boosters),
        (FREE, [name for name in rows.names if config.sees(name)], HONEST, config.alarm.boosters),
    ):
        if name not in names:
            continue
        progress(f"{name} boosters")
        columns = tuple(place for place, feature in enumerate(rows.names) if feature in set(seen))
        boosters[name] = (columns, fit_boosted(_seen(rows, columns), how, monotone=monotone, seed=seed, threads=threads))
    return Models(linear, boosters, {})


def charged_of(config: EnterpriseConfig) -> tuple[list[str], dict[str, int]]:
    """The features that a price may look at, the number of the stretch behind them, and the directions that it keeps."""
    features = catalog()
    charged = [name for name in features.charged if config.sees(name)]
    return [*charged, INTERVAL], {name: features.directions[name] for name in charged if features.directions[name]}


def _seen(rows: CountRows, columns: tuple[int, ...]) -> CountRows:
    """The same rows with some of the features."""
    return CountRows(
        np.ascontiguousarray(rows.x[:, columns]), tuple(rows.names[place] for place in columns),
        tuple(columns.index(place) for place in rows.categorical if place in columns),
        rows.exposure, rows.count, rows.group, rows.weight,
    )  # fmt: skip


def earliest(enterprise: Rows, period: Rows) -> Rows:
    """The first row of each enterprise in a period whose rows stand by enterprise and time."""
    return period[np.unique(enterprise[period], return_index=True)[1]]


def left_out(config: EnterpriseConfig, rows: CountRows, asked: Sequence[CountRows], penalty: float) -> list[dict[str, Floats]]:
    """What each model expects of rows of enterprises that it was not fitted on, for each set of rows asked about.

    Two members of each sort of boosters will do: they speak of the mean alone.
    """
    told: dict[str, ScoreConfig] = {which: getattr(config, which) for which in SCORES}
    few: dict[str, ScoreConfig] = {
        which: one.model_copy(update={"boosters": one.boosters.model_copy(update={"members": 2})})
        for which, one in told.items()
    }
    linear = config.linear.model_copy(update={"penalties": (penalty,)})
    quick = config.model_copy(update={"linear": linear, **few})
    names = np.unique(np.concatenate([part.group for part in (rows, *asked)]))
    fold = np.full(int(names.max()) + 1, -1)
    fold[names] = grouped(names, config.linear.folds, config.seed)
    found: list[dict[str, Floats]] = [{} for _ in asked]
    for number in range(config.linear.folds):
        own = fit_models(quick, rows.of(fold[rows.group] != number), progress=lambda text: None)
        for part, said in zip(asked, found, strict=True):
            chosen = fold[part.group] == number
            for name, one in own.said(part.x[chosen], part.exposure[chosen], threads=config.threads).items():
                said.setdefault(name, np.empty(len(part)))[chosen] = one
    return found


Told = tuple[CountRows, Mapping[str, Floats]]


def blended(config: EnterpriseConfig, unseen: Sequence[Told], once: Sequence[Told]) -> dict[str, ScoreFacts]:
    """Blend and unlikeness of both scores from what models expect of rows that they did not see.

    once: the same, of rows that tell each accident of an enterprise once.
    """
    exposure, count, weight = (
        np.concatenate([getattr(rows, name) for rows, _ in unseen]) for name in ("exposure", "count", "weights")
    )
    scores: dict[str, ScoreFacts] = {}
    towards: dict[str, float] | None = None
    for which, names in SCORES.items():
        said = {name: np.concatenate([told[name] for _, told in unseen]) for name in names}
        blend = fit_blend(said, exposure, count, weight, pull=getattr(config, which).pull, towards=towards)
        parts = [
            _by_enterprise(rows, blend.expected({name: told[name] for name in names}, rows.exposure)) for rows, told in once
        ]
        unlike = Unlike.fit(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        scores[which] = ScoreFacts(blend=blend, unlike=unlike)
        # What sees everything has to earn its say beside what is monotone.
        towards = {**blend.weights, FREE: 0.0}
    return scores


def _by_enterprise(rows: CountRows, expected: Floats) -> tuple[Floats, Floats, Floats]:
    """Of each enterprise the number that came, the number expected, and that expected over its record.

    Rows of an enterprise are stretches that follow each other, so that every accident counts once.
    """
    place = np.unique(rows.group, return_inverse=True)[1]
    record = np.nan_to_num(rows.x[:, rows.names.index(RECORD)].astype(np.float64))
    came, awaited, spent, weighed = (
        np.asarray(np.bincount(place, one), dtype=np.float64)
        for one in (rows.count, expected, rows.exposure, rows.exposure * record)
    )
    return came, awaited, awaited / spent * (weighed / spent)


def levelled(facts: ScoreFacts, said: Mapping[str, Floats], rows: CountRows) -> ScoreFacts:
    """The blend at the level of the latest rows that its models were fitted on.

    These are those of a whole year: accidents have a season, and trends that no feature tells of. Raises BadInput if nobody had
    an accident in it.
    """
    blend = facts.blend.model_copy(update={"level": 0.0})
    came, expected = (float(rows.weights @ one) for one in (rows.count, blend.expected(said, rows.exposure)))
    if not came:
        raise BadInput("no accident in the last year before the test", where="periods", mend="set test_from earlier")
    level = float(np.log(came / expected))
    return facts.model_copy(update={"blend": blend.model_copy(update={"level": level})})
