"""The networks of one training run: fitted on windows of the training period, answered through ONNX from then on.

torch is imported here, and only when a run asks for networks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.sequences import Batch, Windows
from training.config import NetworksConfig, TrainConfig
from training.hazard import Floats, interval_outcomes
from training.labels import HORIZON_HOURS, MICROS_PER_HOUR
from training.rows import Past, Rows, machine_codes, sampled
from training.splits import machine_share
from training.window_model import WindowModel, facts_of, together

GATHERED = 2048  # windows that are held at a time
_LOOKED_AT = 512  # windows by which it is told what a window always holds


@dataclass(frozen=True)
class Targets:
    """What networks learn: rows of the training period with float32[observations, 3 + auxiliary] outcomes and weights.

    NaN: does not count. The first three are interval outcomes; then come, component by component, those of the component alone
    in the auxiliary intervals.
    """

    rows: Rows
    outcomes: npt.NDArray[np.float32]
    weight: Floats


def targets(config: TrainConfig, past: Past, period: Rows, known_until: int) -> Targets:
    """All failures of the period and a sample of its other rows, labelled as known at `known_until` (microseconds)."""
    wanted = _networks(config)
    lag, longer = config.split.reporting_lag_hours, tuple(sorted(wanted.auxiliary_hours))
    components = tuple(one.code for one in past.snapshot.kind.components) if longer else ()
    horizons = tuple(sorted({*HORIZON_HOURS, *longer}))
    labels = past.labels(known_until=known_until, lag_hours=lag, components=components, horizon_hours=horizons)
    chosen = sampled(labels, period, max_negatives=wanted.max_negatives, seed=config.seed + 2)
    to_failure, followed = (labels[name].to_numpy() for name in ("hours_to_failure", "followed_hours"))
    near = np.where(to_failure <= HORIZON_HOURS[-1], to_failure, np.nan)
    columns = [interval_outcomes(near, followed)]
    # Of an interval that had not passed by then failures alone would be known, survivors not.
    ends = np.round(np.array(longer) * MICROS_PER_HOUR).astype(np.int64)
    passed = past.as_of[:, None] + ends <= known_until - round(lag * MICROS_PER_HOUR)
    for component in components:
        own = interval_outcomes(labels[f"hours_to_{component}"].to_numpy(), followed, longer)
        columns.append(np.where(passed, own, np.float32(np.nan)))
    outcomes = np.concatenate(columns, axis=1)
    weight = np.ones(len(outcomes))
    weight[chosen.rows] = chosen.weight
    return Targets(chosen.rows, outcomes, weight)


def fit(
    config: TrainConfig,
    past: Past,
    period: Rows,
    known_until: int,
    *,
    progress: Callable[[str], None] | None = None,
    watch: Callable[[int, float], None] | None = None,
) -> WindowModel:
    """Fit `seeds` networks of each family, each stopped early by other machines of the training period.

    watch: told each epoch and its validation loss; what it raises ends the training.
    Raises BadInput for a snapshot of several kinds, or without failures to learn from.
    """
    from training import loop, onnx_export

    wanted = _networks(config)
    say = progress or (lambda text: None)
    source = past.windows(wanted.hours, threads=config.threads)
    learnt = targets(config, past, period, known_until)
    codes = machine_codes(past.observations)
    data: dict[str, list[bytes]] = {}
    for name, network in wanted.families.items():
        data[name] = []
        for number in range(wanted.seeds):
            seed = config.seed + 1000 * number
            valid = _validation(codes[learnt.rows], wanted.valid_share, seed)

            def told(text: str, who: str = f"network {name} {number + 1} of {wanted.seeds}") -> None:
                say(f"{who}: {text}")

            fitted = loop.fit(
                source, learnt.outcomes, learnt.weight, learnt.rows[~valid], learnt.rows[valid], network, wanted.loop,
                seed=seed, device=_device(wanted), progress=told, watch=watch,
            )  # fmt: skip
            data[name].append(onnx_export.to_onnx(fitted))
    some = source.take(learnt.rows[:: max(1, len(learnt.rows) // _LOOKED_AT)])
    seeds = dict.fromkeys(data, wanted.seeds)
    return WindowModel(facts_of(source.layout, some.steps, wanted.fewest_steps, seeds, _apart(config, past)), data)


def _apart(config: TrainConfig, past: Past) -> tuple[int, ...]:
    """The outputs of each component's own failures within the horizon, where one of the auxiliary intervals is just that."""
    longer = sorted(set(_networks(config).auxiliary_hours))
    if not longer or longer[0] != HORIZON_HOURS[-1]:
        return ()
    first = len(HORIZON_HOURS)
    return tuple(range(first, first + len(longer) * len(past.snapshot.kind.components), len(longer)))


def only(model: WindowModel, names: tuple[str, ...]) -> WindowModel:
    """The same without the families that are not named."""
    seeds = {name: count for name, count in model.facts.seeds.items() if name in names}
    return WindowModel(model.facts.model_copy(update={"seeds": seeds}), {name: model.data[name] for name in seeds})


def logs(model: WindowModel, source: Windows, rows: Rows) -> tuple[dict[str, Floats], npt.NDArray[np.bool_]]:
    """By family the logs of hazards [n, 3 + apart], and bool[n]: which windows are good enough to be asked."""
    found: dict[str, list[Floats]] = {name: [] for name in model.facts.seeds}
    enough = []
    for _, batch in gathered(source, rows):
        for name, own in model.logs(batch).items():
            found[name].append(together(own))
        enough.append(model.facts.enough(batch.steps))
    none = np.empty((0, len(HORIZON_HOURS) + len(model.facts.apart)))
    return {name: np.concatenate([none, *parts]) for name, parts in found.items()}, np.concatenate([none[:, 0] > 0, *enough])


def gathered(source: Windows, rows: Rows) -> Iterator[tuple[slice, Batch]]:
    """Windows of the rows, some at a time, each with its place among them."""
    for start in range(0, len(rows), GATHERED):
        cut = slice(start, min(start + GATHERED, len(rows)))
        yield cut, source.take(rows[cut])


def _validation(machine: Rows, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """bool[n]: rows of about a share of the machines, other ones for every seed."""
    return machine_share([str(code) for code in machine.tolist()], share, salt=f"network {seed} ")


def _device(wanted: NetworksConfig) -> str:
    if wanted.device != "auto":
        return wanted.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _networks(config: TrainConfig) -> NetworksConfig:
    assert config.network is not None, "asked only where the experiment names networks"
    return config.network
