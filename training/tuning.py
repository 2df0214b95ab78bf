"""The search for better settings: the only importer of optuna. A study per family, kept in a store that processes share.

A study is its storage: killed, it goes on where it stood; asked by several processes at once, each takes the next trial. Its
first trial is the experiment as it is, so that what was gained is told against that.
"""

import hashlib
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import BadInput, Conflict
from training.tuning_folds import Watch
from training.tuning_space import Choice, OneOf, Range, Value

IDENTITY, OWN, WHY = "identity", "own", "why"
_STARTUP = 8  # trials before the search leans on what it saw, and before any is given up early
_FRUITLESS = 10  # trials of this process that fail one after the other end its search
_LOCK_SECONDS = 30  # that a process waits for a SQLite file which another one writes
_BEAT_SECONDS, _GRACE_SECONDS = 15, 60  # how often a running trial says that it lives, and for how long it is believed
Space = Mapping[str, Range | OneOf]
Asked = dict[str, Value]
Trial = Callable[[Choice, Watch], float]


@dataclass(frozen=True)
class Tried:
    """One finished trial. loss: None where it was given up early (pruned) or failed; why: the reason of a failure.

    own: it tried the experiment as it is.
    """

    number: int
    state: str
    values: Mapping[str, Value]
    loss: float | None
    seconds: float
    why: str = ""
    own: bool = False


@dataclass(frozen=True)
class Found:
    """What a study knows: its trials, the experiment's own loss (None before it ran), and what mattered, by share."""

    name: str
    family: str
    trials: tuple[Tried, ...]
    importance: Mapping[str, float]

    @property
    def own(self) -> float | None:
        """The loss of the experiment as it was."""
        return next((one.loss for one in self.trials if one.own and one.loss is not None), None)

    @property
    def best(self) -> Tried | None:
        whole = [one for one in self.trials if one.loss is not None]
        return min(whole, key=lambda one: (one.loss, one.number)) if whole else None


@dataclass(frozen=True)
class Budget:
    """When to stop: so many finished trials in the study, or so many seconds of this process, whatever comes first."""

    trials: int
    seconds: float | None = None


def digest(identity: Mapping[str, Any]) -> str:
    """Twelve characters that name what a study is about."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]


def search(
    url: str,
    name: str,
    family: str,
    identity: Mapping[str, Any],
    space: Space,
    own: Choice,
    trial: Trial,
    budget: Budget,
    *,
    seed: int,
    progress: Callable[[str], None] | None = None,
) -> Found:
    """Search until the budget is spent; a study that is there already goes on.

    identity: what the losses are losses of (snapshot, experiment, space): a study of another one is not gone on with. own: the
    experiment's own values, tried first.
    Raises Conflict if the storage is locked or damaged, or holds another study by this name; BadInput if every trial fails.
    """
    import optuna

    say = progress or (lambda text: None)
    with _storage(url) as storage:
        study = _study(storage, name, identity)
        _own_first(study, own)
        failures: list[BadInput] = []
        mine: list[int] = []
        started = time.monotonic()

        def objective(one: "optuna.Trial") -> float:
            mine.append(one.number)
            # By the trial's number: processes begun together draw apart, one that goes on draws as the first would have.
            study.sampler = optuna.samplers.TPESampler(n_startup_trials=_STARTUP, seed=seed + 7919 * one.number)
            values = {key: _suggest(one, key, among) for key, among in space.items()}
            try:
                loss = trial(values, _watch(one))
            except BadInput as error:
                one.set_user_attr(WHY, str(error))
                failures.append(error)
                raise
            if loss != loss:
                raise optuna.TrialPruned("no window was long enough to be judged")
            return loss

        def spent() -> bool:
            late = budget.seconds is not None and time.monotonic() - started >= budget.seconds
            return late or len(failures) >= _FRUITLESS or _finished(study) >= budget.trials

        while not spent():
            study.optimize(objective, n_trials=1, catch=(BadInput,))
            last = _told(study.get_trials(deepcopy=False)[mine[-1]])  # others' are among them
            found = _found(study, family)
            if last.state != "FAIL":
                failures.clear()
            if found.best is None and failures and (len(failures) >= 3 or last.own):
                raise failures[-1]
            best = "" if found.best is None else f", best {found.best.loss:.6f} (trial {found.best.number})"
            said = last.state.lower() if last.loss is None else f"{last.loss:.6f}"
            say(f"{family} trial {last.number}: {said} in {last.seconds:.0f} s{best}")
        return _found(study, family, importance=True)


def _watch(one: Any) -> Watch:
    import optuna

    def told(step: int, loss: float) -> None:
        one.report(loss, step)
        if not _is_own(one) and _hopeless(one.study, step, loss):
            raise optuna.TrialPruned

    return told


def _hopeless(study: Any, step: int, loss: float) -> bool:
    """Whether more than half of the whole trials stood better at this very step (the median rule, Golovin et al. 2017).

    Optuna's own MedianPruner takes the least loss that the trial ever told, which here is of whichever fold is easiest.
    """
    whole = [one for one in study.get_trials(deepcopy=False) if one.state.name == "COMPLETE"]
    there = [one.intermediate_values[step] for one in whole if step in one.intermediate_values]
    return len(whole) >= _STARTUP and len(there) >= _STARTUP // 2 and loss > statistics.median(there)


def _suggest(trial: Any, key: str, among: Range | OneOf) -> Value:
    if isinstance(among, OneOf):
        value: Value = trial.suggest_categorical(key, among.choices)
        return value
    if isinstance(among.low, int) and isinstance(among.high, int):
        whole: int = trial.suggest_int(key, among.low, among.high, log=among.log)
        return whole
    number: float = trial.suggest_float(key, among.low, among.high, log=among.log)
    return number


def _study(storage: Any, name: str, identity: Mapping[str, Any]) -> Any:
    """The study of that name."""
    import optuna

    study = optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(IDENTITY, dict(identity))
    elif known != json.loads(json.dumps(identity)):
        apart = ", ".join(sorted(key for key in {*known, *identity} if known.get(key) != identity.get(key)))
        what = f"the study there is about something else (another {apart})"
        raise Conflict(what, where=f"study {name}", mend="leave out --study, or give another name")
    return study


def _own_first(study: Any, own: Choice) -> None:
    """Ask for the experiment's own values, unless they were tried, are being tried, or cannot be trained."""
    before = [one for one in study.get_trials(deepcopy=False) if _is_own(one)]
    if all(one.state.name == "FAIL" and WHY not in one.user_attrs for one in before):
        study.enqueue_trial(dict(own), user_attrs={OWN: True})


def _is_own(trial: Any) -> bool:
    """Of a trial that was killed, the one that stands in for it has the same mark."""
    return bool(trial.user_attrs.get(OWN, trial.number == 0))


@contextmanager
def _storage(url: str) -> Iterator[Any]:
    """A storage; what it cannot do is the user's to mend and told in one line."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    mend = "wait for the other process, correct FOREWARN_STUDY_URL, or move the damaged file away"
    sqlite = url.startswith("sqlite:///")
    try:
        if sqlite:
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        yield _opened(url, {"connect_args": {"timeout": _LOCK_SECONDS}} if sqlite else {})
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ else error
        reason = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
        raise Conflict(f"the storage of the study cannot be used: {reason}", where=_shown(url), mend=mend) from error


def _opened(url: str, how: Mapping[str, Any]) -> Any:
    import optuna

    with warnings.catch_warnings():
        # The heartbeat is marked experimental; without it a killed trial would run for ever.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return optuna.storages.RDBStorage(
                url,
                engine_kwargs=dict(how),
                heartbeat_interval=_BEAT_SECONDS,
                grace_period=_GRACE_SECONDS,
                heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=2),
            )
        except ImportError as error:
            what = f"the storage of the study cannot be used: {error.__cause__ or error}"
            mend = "install the database's driver, or correct FOREWARN_STUDY_URL"
            raise Conflict(" ".join(what.split()), where=_shown(url), mend=mend) from None


def _shown(url: str) -> str:
    """An address without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "FOREWARN_STUDY_URL"


def _finished(study: Any) -> int:
    return sum(one.state.name in ("COMPLETE", "PRUNED") for one in study.get_trials(deepcopy=False))


def _told(one: Any) -> Tried:
    seconds = one.duration.total_seconds() if one.duration else 0.0
    loss = float(one.value) if one.state.name == "COMPLETE" else None
    return Tried(one.number, one.state.name, dict(one.params), loss, seconds, one.user_attrs.get(WHY, ""), _is_own(one))


def _found(study: Any, family: str, *, importance: bool = False) -> Found:
    trials = tuple(_told(one) for one in study.get_trials(deepcopy=False) if one.state.is_finished())
    return Found(study.study_name, family, trials, _importance(study) if importance else {})


def _importance(study: Any) -> dict[str, float]:
    """Share of the spread of the losses that each setting explains; empty where there are too few trials, or they are alike."""
    import optuna

    whole = [one for one in study.get_trials(deepcopy=False) if one.state.name == "COMPLETE"]
    if len(whole) < 4 or len({one.value for one in whole}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}
