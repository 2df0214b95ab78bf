"""What a network and its training are told. Imports no torch: configurations are read where networks are not."""

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkConfig(_Frozen):
    """A network: a bank of filters and a linear mix, trunk (recurrent or dilated), pools, head.

    family: the trunk, `gru` or `tcn`. width, layers, kernel: of the trunk; a `tcn`'s dilations are 1, 2, 4, ...
    readings: channels that the bank looks at, as a shell would match their names (all, where none fits), with `filters`
    filters for each (0: no bank) over `filter_steps` steps, and with products of its value now and up to `echoes` - 1 steps
    ago, which tell how the order of its values goes on. explained_by: channels that explain readings, such as the load: what
    they say of a reading is taken out of it before bank and products, at first by least squares, then as it is learnt. mix:
    channels that all are mixed to. stride: steps that bank and mix are averaged over before the trunk sees them. level: the
    pools enter the head with mean 0 and spread 1 over a batch. hidden: width of the head's hidden layer. input_dropout: of
    whole channels, so that no single one is leaned on. head: `hazards` gives log-odds of interval hazards, `life` the
    remaining life in the units of its target, `counts` by how much, on the log scale, more comes than was expected. logged:
    channels that enter as log(1 + x). unseen: channels and static covariates that the network is not shown, such as ages that
    single a machine out: a network remembers what became of it. clip: in robust standard deviations.
    """

    family: Literal["gru", "tcn"] = "tcn"
    width: int = Field(default=32, ge=1, le=512)
    layers: int = Field(default=2, ge=1, le=12)
    kernel: int = Field(default=3, ge=2, le=32)
    readings: tuple[str, ...] = ("sensor:*",)
    filters: int = Field(default=6, ge=0, le=64)
    filter_steps: int = Field(default=12, ge=1, le=64)
    echoes: int = Field(default=0, ge=0, le=64)
    explained_by: tuple[str, ...] = ()
    mix: int = Field(default=16, ge=1, le=512)
    stride: int = Field(default=1, ge=1, le=48)
    level: bool = True
    hidden: int = Field(default=64, ge=1, le=1024)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    head: Literal["hazards", "life", "counts"] = "hazards"
    logged: tuple[str, ...] = ("ago_hours", "gap_hours", "service_hours", "age_hours*", "observed_hours", "*_since")
    unseen: tuple[str, ...] = ()
    clip: float = Field(default=8.0, gt=0)


class LoopConfig(_Frozen):
    """The training loop. One epoch sees every row that is followed by an event and `rows_per_epoch` of the others.

    rows_per_epoch: None takes them all; else they are drawn anew each epoch, with weights that restore the prior.
    batch, valid_batch: windows. learning_rate: the highest of a one-cycle schedule (Smith & Topin 2018). patience: epochs
    without a better loss on the validation rows, after which training ends; None never ends it early. ema: decay of the
    averaged weights, which are those that are judged and kept (Polyak & Juditsky 1992); 0 keeps the last ones. clip_norm: of
    the gradient. auxiliary: what a further target counts against the first three. huber: of a `life` head, in standard
    deviations of the target, beyond which an error counts by its size alone; None squares all.
    """

    epochs: int = Field(default=20, ge=1, le=2000)
    batch: int = Field(default=256, ge=1)
    valid_batch: int = Field(default=1024, ge=1)
    rows_per_epoch: int | None = Field(default=None, gt=0)
    learning_rate: float = Field(default=3e-3, gt=0, le=1)
    warmup: float = Field(default=0.2, ge=0, lt=1)
    weight_decay: float = Field(default=1e-2, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.0, ge=0, lt=1)
    patience: int | None = Field(default=6, ge=1)
    auxiliary: float = Field(default=0.3, ge=0)
    huber: float | None = Field(default=None, gt=0)
    mixed: bool = True
    threads: int = Field(default=1, ge=1)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate at a step of so many: a rising and a falling half cosine, from and to almost nothing."""
        rise = max(1, round(self.warmup * steps))
        if step < rise:
            return self.learning_rate * (0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * (step + 1) / rise)))
        share = (step - rise) / max(1, steps - rise)
        return self.learning_rate * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * share)))

    @model_validator(mode="after")
    def _kept(self) -> Self:
        if self.patience is not None and self.patience > self.epochs:
            raise ValueError("patience must not exceed epochs")
        return self
