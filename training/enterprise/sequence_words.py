"""What is said of the sequence network of a run and of a bundle, in both languages."""

from typing import TYPE_CHECKING

from training.report_words import Text

if TYPE_CHECKING:
    from training.enterprise.sequence_fit import Heard

UNHEARD = Text(
    "the alarm score was made without the enterprise's earlier moments, which its sequence network reads: it stands without it",
    "预警评分未取得该企业此前各时点的数据，序列网络未参与，按无网络的评分给出",
)


def entry_of(heard: "Heard | None") -> tuple[Text, ...]:
    """What a run says of its network; nothing where none was tried."""
    return (entry_words(heard),) if heard else ()


def entry_words(heard: "Heard") -> Text:
    """One sentence: whether the network entered the alarm score, and the numbers that decided it."""
    on_en = f"{heard.rows:,} rows of the calibration period with {heard.accidents:,.0f} accidents"
    on_zh = f"校准期 {heard.rows:,} 行、{heard.accidents:,.0f} 起事故"
    gain = f"{heard.gain.value:.2e} [{heard.gain.low:.2e}, {heard.gain.high:.2e}]"
    alone = f"{heard.alone.value:.2e} [{heard.alone.low:.2e}, {heard.alone.high:.2e}]"
    if heard.enters:
        return Text(
            f"The sequence network has entered the alarm score with a weight of {heard.model.facts.weight:.2f}: on {on_en} its "
            f"deviance is lower by {gain} per row, cross-fitted and paired by enterprise; the network alone gains {alone} over "
            f"the price score.",
            f"序列网络已进入预警评分，权重 {heard.model.facts.weight:.2f}：在{on_zh}上，"
            f"每行偏差降低 {gain}（交叉拟合，按企业配对）；网络单独相对定价评分的增益为 {alone}。",
            "good",
        )
    return Text(
        f"The sequence network adds nothing that can be shown and is left out of the alarm score: on {on_en} its gain in "
        f"deviance is {gain} per row, cross-fitted and paired by enterprise; the network alone gains {alone} over the "
        f"price score.",
        f"序列网络未显示出可证实的增益，未进入预警评分：在{on_zh}上，每行偏差增益为 {gain}（交叉拟合，按企业配对）；"
        f"网络单独相对定价评分的增益为 {alone}。",
    )
