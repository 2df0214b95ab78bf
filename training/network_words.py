"""What a report says of the networks of its run: whether they entered the bundle, and the numbers that decided it."""

from typing import Any

from training.blend import BOOSTERS, Blend
from training.entry import Entry, Tried
from training.intervals import Interval
from training.panel import BLENDED
from training.report_words import Text
from training.tables import plain

NAMES: dict[str, Text] = {
    BOOSTERS: Text("LightGBM alone", "仅 LightGBM"),
    "gru": Text("recurrent network alone (GRU)", "仅循环网络（GRU）"),
    "tcn": Text("convolutional network alone (TCN)", "仅卷积网络（TCN）"),
    BLENDED: Text("blend, not let in", "混合（未采用）"),
}


def entry_words(entry: Entry) -> Text:
    """One sentence in both languages; never silent about a network that was fitted for nothing."""
    if not entry.tried:
        return Text(
            "Networks were fitted, but no failure falls into the calibration period: they cannot be judged and stay out.",
            "已拟合网络，但校准期内无故障，无法评判，故未采用。",
        )
    best = max(entry.tried, key=lambda one: one.gain.value)
    on_en = f"{entry.rows:,} rows of the calibration period with {entry.failing:,} failing machines"
    on_zh = f"校准期 {entry.rows:,} 行、{entry.failing:,} 台故障机器"
    if entry.blend is not None:
        names = [*(NAMES[name].en.removesuffix(" alone") for name in entry.blend.models), "their mean hazard"]
        weights = ", ".join(
            f"{name} {weight:.2f}" for name, weight in zip(names, [*entry.blend.weights, entry.blend.either], strict=True)
        )
        return Text(
            f"The networks have entered: on {on_en} the blend's log loss is lower by {_nats(best.gain)}, cross-fitted and "
            f"paired by machine. Weights on the cloglog scale: {weights}.{_apart(entry.blend).en}",
            f"网络已采用：在{on_zh}上，混合的对数损失降低 {_nats(best.gain)}（交叉拟合，按机器配对）。"
            f"权重：{weights}。{_apart(entry.blend).zh}",
            "good",
        )
    tried = "; ".join(f"{_named(one)} {_nats(one.gain)}" for one in entry.tried)
    return Text(
        f"The networks add nothing that can be shown and are left out: gain in log loss on {on_en}, cross-fitted and paired by "
        f"machine: {tried}.",
        f"网络未显示出可证实的增益，故未采用：在{on_zh}上的对数损失增益（交叉拟合，按机器配对）：{tried}。",
    )


def _apart(blend: Blend) -> Text:
    """What the hazards of single components add, where a network tells them apart."""
    if not blend.apart:
        return Text("", "")
    counts = ", ".join(f"{one:.2f}" for own in blend.apart for one in own)
    return Text(
        f" Added hazards of single components, in the order of the kind: {counts}.",
        f"另加各部件自身风险的系数（按部件顺序）：{counts}。",
    )


def entry_document(entry: Entry) -> dict[str, Any]:
    """The decision as JSON."""
    blend = entry.blend
    return {
        "entered": blend is not None,
        "weights": _weights(blend) if blend else None,
        "tried": [
            {"networks": list(one.networks), "weights": _weights(one.blend), "gain": plain(one.gain)} for one in entry.tried
        ],
        "rows": entry.rows,
        "failing_machines": entry.failing,
    }


def _weights(blend: Blend) -> dict[str, Any]:
    apart = {"apart": [list(own) for own in blend.apart]} if blend.apart else {}
    return {**dict(zip(blend.models, blend.weights, strict=True)), "either": blend.either, **apart}


def _named(one: Tried) -> str:
    return " + ".join(one.networks)


def _nats(gain: Interval) -> str:
    """In thousandths of a nat per row, which is the order of magnitude that rare failures leave."""
    return f"{1000 * gain.value:.3f} ({1000 * gain.low:.3f} … {1000 * gain.high:.3f}) millinats"
