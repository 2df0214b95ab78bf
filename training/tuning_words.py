"""What a search says in words, English and Chinese: its families, its verdict, its caveats."""

from collections.abc import Sequence

from training.report_words import Text, number
from training.tuning import Found

FAMILIES: dict[str, Text] = {
    "linear": Text("Log-linear model with signs", "带符号约束的对数线性模型"),
    "price": Text("Boosters of the price", "定价提升树"),
    "alarm": Text("Boosters of the alarm", "预警提升树"),
    "boosters": Text("LightGBM", "LightGBM 提升树"),
    "gru": Text("Recurrent network (GRU)", "循环网络（GRU）"),
    "tcn": Text("Convolution network (TCN)", "卷积网络（TCN）"),
}
NOTES: tuple[Text, ...] = (
    Text(
        "Losses are those of later stretches of the training period, each model blind to what came after its cut. Calibration "
        "and test rows were not looked at: whether the tuned experiment is better, `train` and `backtest` will say.",
        "损失均来自训练期内较晚的时段，每个模型只见其切分时点之前的数据；校准与测试数据未被查看。调优后的实验是否更好，"
        "由 train 与 backtest 判断。",
    ),
    Text(
        "The best of many trials is lucky as well as good: expect a part of the gain to vanish on other rows.",
        "多次试验中的最优结果部分源于运气：在其他数据上，部分提升会消失。",
    ),
    Text(
        "While they are tuned, boosters have two members, for speed, instead of the experiment's number.",
        "为节省时间，调优时提升树仅用两个成员，而非实验所设的数目。",
    ),
)


def verdict(found: Sequence[Found]) -> list[Text]:
    """A sentence for each family, and which network is kept."""
    said = [_of(one) for one in found]
    networks = [one for one in found if one.family in ("gru", "tcn") and one.best is not None]
    if len(networks) > 1:
        kept = min(networks, key=lambda one: one.best.loss or 0.0 if one.best else 0.0).family
        said.append(
            Text(
                f"Of the networks the {FAMILIES[kept].en} has the lower loss and stands in the tuned experiment.",
                f"两种网络中{FAMILIES[kept].zh}损失较低，写入调优后的实验。",
            )
        )
    return said


def _of(one: Found) -> Text:
    words, best, own = FAMILIES[one.family], one.best, one.own
    trials, pruned = len(one.trials), sum(trial.state == "PRUNED" for trial in one.trials)
    if best is None or best.loss is None:
        return Text(f"{words.en}: no trial was finished yet.", f"{words.zh}：尚无完成的试验。", "bad")
    ran_en, ran_zh = f"{trials} trials, {pruned} of them given up early", f"{trials} 次试验，其中 {pruned} 次提前终止"
    if own is None:
        en = f"{words.en}: {ran_en}; best loss {best.loss:.6f} (trial {best.number})."
        return Text(en, f"{words.zh}：{ran_zh}；最低损失 {best.loss:.6f}（第 {best.number} 次）。")
    if best.own:
        return Text(
            f"{words.en}: {ran_en}; none was better than the experiment as it is ({own:.6f}).",
            f"{words.zh}：{ran_zh}；均未优于原实验（{own:.6f}）。",
        )
    gain = number(1.0 - best.loss / own, True)
    return Text(
        f"{words.en}: {ran_en}; the best (trial {best.number}) has {gain} less loss than the experiment as it is "
        f"({best.loss:.6f} against {own:.6f}).",
        f"{words.zh}：{ran_zh}；最优者（第 {best.number} 次）的损失比原实验低 {gain}（{best.loss:.6f} 对 {own:.6f}）。",
        "good",
    )
