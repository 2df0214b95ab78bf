"""What a sceptic should know of how a run's figures were made, in both languages."""

from datetime import datetime

from training.evaluation import Evaluation
from training.manifest import Manifest
from training.report_words import Text

SIMULATED = {"pump", "press"}


def notes(manifest: Manifest, judged: Evaluation) -> list[Text]:
    """The notes of one run: periods, point in time, intervals, rivals, and what its data cannot show."""
    said = [_periods(manifest, judged), *_always(judged)]
    if manifest.kind.name.startswith("azure_pdm"):
        said.append(AZURE)
    if manifest.kind.name in SIMULATED:
        said.append(FLEET)
    if judged.failures < 100:
        said.append(
            Text(
                f"Only {judged.failures} failures fall into the test period: read the intervals, not the points.",
                f"评估期仅有 {judged.failures} 次故障：请看区间而非点估计。",
            )
        )
    return said


AZURE = Text(
    "Azure PdM is simulated by its publisher and easy: at 24 and 48 hours every serious model is nearly perfect. Only the "
    "third day tells models apart, and none of this shows what a real plant would give.",
    "Azure PdM 为发布方模拟的数据且较易：24 与 48 小时内任何像样的模型都近乎完美，只有第三天能区分优劣；"
    "这些结果不代表真实工厂。",
)
FLEET = Text(
    "This fleet is simulated: the figures show that the machinery works, not what a real plant would give.",
    "该机群为模拟数据：这些数字只说明流程可用，不代表真实工厂。",
)


def _periods(manifest: Manifest, judged: Evaluation) -> Text:
    tested, trained = period(judged.first, judged.last), f"{manifest.train_until:%Y-%m-%d}"
    calibrated = f"{manifest.calibrated_until:%Y-%m-%d}"
    return Text(
        f"Every figure is from observations of {tested}, later than anything that was fitted: the model saw as_of up to "
        f"{trained}, the calibration up to {calibrated}, with a gap of at least 72 h between the periods.",
        f"所有数字均来自 {tested} 的观测，晚于任何拟合数据：模型训练截至 {trained}，校准截至 {calibrated}，"
        "各时段之间至少间隔 72 小时。",
    )


def _always(judged: Evaluation) -> list[Text]:
    return [
        Text(
            "Features see only what was recorded by as_of. Observations whose 72 hours had not passed are left out, never "
            "counted as negative.",
            "特征只使用截至 as_of 已记录的信息；尚未满 72 小时的观测被剔除，从不计为阴性。",
        ),
        Text(
            f"Intervals resample the {judged.machines:,} machines ({judged.settings.replicates} times): days of one machine "
            "are not independent. They do not cover a future that differs from the test period.",
            f"区间按 {judged.machines:,} 台机器重抽样（{judged.settings.replicates} 次），因为同一机器的各天并不独立；"
            "区间不涵盖与评估期不同的未来。",
        ),
        Text(
            "Logistic regression and forest see every feature of the catalog; the afternoon's LightGBM last values, means, "
            "counts and times since, with default settings. All are fitted on the model's own training rows.",
            "逻辑回归与随机森林使用全部特征；“半日” LightGBM 仅用最新值、均值、计数与时长并取默认参数；均在相同训练行上拟合。",
        ),
    ]


def period(first: datetime, last: datetime) -> str:
    return f"{first:%Y-%m-%d} … {last:%Y-%m-%d}"
