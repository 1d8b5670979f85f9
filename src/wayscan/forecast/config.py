"""What a forecast can be told: the series, the network, the training; presets; settings as flags."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from wayscan.names import expect_one_of

ModelType = Literal["gru", "min_gru", "mingru", "mingru_log", "mamba_simple", "mamba"]
Target = Literal["level", "difference", "log-return"]
Gaps = Literal["fail", "interpolate", "drop"]
Preset = Literal["default", "seed"]

MODELS: tuple[ModelType, ...] = ("gru", "mingru", "mingru_log", "mamba_simple", "mamba")
"""The models that a comparison takes: all, without the alias."""
ALIASES: Mapping[str, ModelType] = {"min_gru": "gru"}


def about(text: str, *, above: float | None = None, least: float | None = None) -> dict[str, Any]:
    """What a field of the configuration means, and the bound of its numbers."""
    return {"about": text, "above": above, "least": least}


def _within(name: str, value: Any, about: str, above: float | None, least: float | None) -> None:
    if value is None:
        return
    if above is not None and not value > above:
        raise ValueError(f"{name} is {value}; expected more than {above}")
    if least is not None and not value >= least:
        raise ValueError(f"{name} is {value}; expected {least} or more")


@dataclass(frozen=True, kw_only=True)
class ForecastConfig:
    """Everything that decides the numbers of a run; what a field means is its flag's help."""

    data: str = field(
        default="sunspots",
        metadata=about(
            "sunspots, co2, co2-weekly, synthetic, a CSV file, or ticker:NAME (Yahoo, extra 'yahoo')"
        ),
    )
    column: str | None = field(
        default=None, metadata=about("what is forecast; Close if there is one, else the last column")
    )
    features: tuple[str, ...] = field(default=(), metadata=about("columns that are read beside it"))
    target: Target = field(
        default="difference", metadata=about("what the network gives: the next value, or the way to it")
    )
    inputs: Literal["level", "difference", "both"] = field(
        default="both",
        metadata=about(
            "what is read of each column: its level, the step to it, or both (log steps for log-return)"
        ),
    )
    seq_len: int = field(default=24, metadata=about("rows in a window", least=1))
    gaps: Gaps = field(
        default="fail", metadata=about("what to do about cells without a number and about missing rows")
    )
    order: Literal["fail", "sort"] = field(
        default="fail",
        metadata=about(
            "what to do about dates out of order or given twice (sort keeps the last of equal dates)"
        ),
    )
    encoding: str = field(default="utf-8", metadata=about("of the CSV file"))
    scaler: Literal["train", "all"] = field(
        default="train",
        metadata=about(
            "rows the scaler is fitted on; 'all' is the seed's leak, and prints what it flatters by"
        ),
    )
    validation_share: float = field(
        default=0.2, metadata=about("of the rows, after the training rows", above=0)
    )
    test_share: float = field(
        default=0.2, metadata=about("of the rows, the last ones; nothing is chosen on them", least=0)
    )
    gap: int | None = field(
        default=None,
        metadata=about(
            "targets left out before validation and before test; one window if not given", least=0
        ),
    )
    season: int | None = field(
        default=None,
        metadata=about(
            "rows in a season, for the seasonal baseline; known or found on the training rows", least=1
        ),
    )

    model_type: ModelType = field(default="mingru", metadata=about("the recurrent layer"))
    hidden_size: int = field(default=32, metadata=about("H, channels of a layer", least=1))
    layers: int = field(default=2, metadata=about("recurrent layers on top of one another", least=1))
    skip: Literal["none", "add"] = field(
        default="add",
        metadata=about("add a layer's input to its output, through a matrix where the widths differ"),
    )
    norm: Literal["none", "rms"] = field(
        default="rms", metadata=about("normalise what a layer reads from the layer below it, as Mamba does")
    )
    attention: Literal["none", "last", "each"] = field(
        default="none", metadata=about("causal attention after the last recurrent layer, or after each")
    )
    heads: int = field(default=4, metadata=about("of the attention", least=1))
    states: int = field(
        default=16, metadata=about("N, states of a Mamba channel (mamba) or layer (mamba_simple)", least=1)
    )
    expand: int = field(default=2, metadata=about("inner channels of mamba, as a multiple of H", least=1))
    precision: Literal["float32", "float64"] = field(default="float32", metadata=about("of all arithmetic"))

    optimiser: Literal["sgd", "adam", "rmsprop"] = field(default="adam", metadata=about("how weights move"))
    learning_rate: float = field(default=1e-2, metadata=about("of the optimiser, at its peak", above=0))
    mamba_learning_rate: float | None = field(
        default=None, metadata=about("of the two Mambas in `compare`; learning_rate if not given", above=0)
    )
    schedule: Literal["constant", "cosine", "step"] = field(
        default="cosine",
        metadata=about("course of the rate: down to 0 as a cosine, or halved after each third"),
    )
    warmup: int = field(default=0, metadata=about("updates over which the rate rises to its peak", least=0))
    momentum: float = field(default=0.0, metadata=about("of sgd", least=0))
    weight_decay: float = field(
        default=1e-4, metadata=about("L2: this times the weights is added to their gradient", least=0)
    )
    l1: float = field(
        default=0.0, metadata=about("L1: this times the weights' signs is added to their gradient", least=0)
    )
    clip_norm: float | None = field(
        default=1.0,
        metadata=about("longest gradient let through, over all weights; None lets all through", above=0),
    )
    clip_value: float | None = field(
        default=None, metadata=about("largest entry of a gradient let through", above=0)
    )
    batch_size: int = field(default=16, metadata=about("windows in an update", least=1))
    n_epochs: int = field(default=60, metadata=about("passes over the training windows", least=1))
    patience: int | None = field(
        default=20,
        metadata=about("epochs without a better validation error before it stops; None never does", least=1),
    )
    keep: Literal["best", "last"] = field(
        default="best", metadata=about("weights that are kept, by validation error")
    )
    seed: int = field(default=0, metadata=about("of weights and batches", least=0))

    def __post_init__(self) -> None:
        for each in fields(self):
            _within(each.name, getattr(self, each.name), **each.metadata)
        for name, choices in (("model_type", get_args(ModelType)), ("target", get_args(Target))):
            expect_one_of(name, getattr(self, name), choices)
        if self.validation_share + self.test_share >= 1:
            raise ValueError(
                f"validation_share and test_share are {self.validation_share} and {self.test_share}; "
                "expected a sum below 1, or no row is left to train on"
            )
        if self.attention != "none" and self.hidden_size % self.heads:
            raise ValueError(
                f"heads is {self.heads}; expected a divisor of hidden_size, which is {self.hidden_size}"
            )

    @property
    def model(self) -> ModelType:
        """The model without its alias."""
        return ALIASES.get(self.model_type, self.model_type)


PRESETS: Mapping[Preset, ForecastConfig] = {
    "default": ForecastConfig(),
    "seed": ForecastConfig(
        target="level",
        inputs="level",
        seq_len=32,
        scaler="all",
        validation_share=0.2,
        test_share=0.0,
        gap=0,
        model_type="min_gru",
        hidden_size=128,
        layers=1,
        skip="none",
        norm="none",
        expand=1,
        optimiser="sgd",
        learning_rate=0.01,
        mamba_learning_rate=0.005,
        schedule="constant",
        weight_decay=1e-4,
        clip_norm=1.0,
        batch_size=32,
        n_epochs=5,
        patience=None,
        keep="last",
    ),
}


def preset(name: str, **changes: Any) -> ForecastConfig:
    """A preset by name, with changes.

    >>> preset("seed", n_epochs=1).learning_rate
    0.01
    """
    expect_one_of("preset", name, PRESETS)
    known = [each.name for each in fields(ForecastConfig)]
    for change in changes:
        expect_one_of("setting", change, known)
    return replace(PRESETS[name], **changes)  # type: ignore[index]
