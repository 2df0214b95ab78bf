"""What a worksheet says, in English and Chinese."""

from typing import NamedTuple


class Words(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str


STEPS = {
    "model": Words("Model's relativity", "模型相对系数"),
    "product": Words("Floor and cap of the factors' product", "系数乘积上下限"),
    "loading": Words("Loading to the target loss ratio", "按目标赔付率附加"),
    "change": Words("Change against the expiring premium", "较上期保费变动限幅"),
    "minimum": Words("Minimum and maximum premium a year", "年最低与最高保费"),
    "pro_rata": Words("Pro rata of the period of cover", "按保险期间比例计收"),
    "rounding": Words("Rounding", "取整"),
}
