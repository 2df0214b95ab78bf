"""What a reader must know to judge the figures of the drives, in both languages."""

from training.drive_networks import DriveNetworks
from training.network_words import entry_document, entry_words
from training.report_words import Text

# The last drives were seen on one day. Shortly before it only drives that failed have ripe rows, so that the date alone would
# give the label away; power-on hours run behind the calendar, which blurs that edge over some days.
CLOSING_HOURS = 14 * 24.0


def notes(networks: DriveNetworks | None) -> list[Text]:
    """The notes of a run; what was decided about its networks first."""
    return [*([entry_words(networks.panel.entry)] if networks else []), *NOTES]


def networks_fact(networks: DriveNetworks | None) -> dict[str, object]:
    """The decision as a fact of the result."""
    return {"networks": entry_document(networks.panel.entry)} if networks else {}


NOTES = (
    Text(
        "Judged on other drives of the same period, never on drives that were fitted on; intervals resample drives.",
        "评估对象为同一时期的其他硬盘，绝不含训练用盘；区间按硬盘重抽样。",
    ),
    Text(
        "The date and the season are among the features: they tell what the whole fleet went through at that time, which other "
        "drives of the same years share and later years do not. Figures for the future of a fleet would be lower.",
        "特征含日期与季节：它们反映当时整个机群的状况，同年的其他硬盘有此共性而以后的年份没有；对机群未来的预测效果会低一些。",
    ),
    Text(
        f"Rows of the last {CLOSING_HOURS / 24:g} days of the collection are judged, not fitted on: shortly before its end "
        "only drives that failed have ripe rows.",
        f"采集期最后 {CLOSING_HOURS / 24:g} 天的行只用于评估而不用于训练：临近结束时只有故障盘的行已成熟。",
    ),
    Text(
        "Rivals are fitted on the same sampled rows with the same weights, for 72 h; the earlier horizons get a fixed share. A "
        "random forest over millions of rows does not fit the benchmark's time and is left out.",
        "对手模型在相同抽样行与权重上按 72 小时拟合，较早的预测期取固定比例；随机森林在数百万行上超出时限，故略去。",
    ),
)
