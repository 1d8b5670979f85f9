"""Settings: presets, bounds, names."""

from dataclasses import replace

import pytest

from wayscan.forecast.config import ForecastConfig, preset


def test_the_seeds_values():
    seed = preset("seed")
    assert (seed.seq_len, seed.hidden_size, seed.batch_size, seed.n_epochs) == (32, 128, 32, 5)
    assert (seed.optimiser, seed.learning_rate, seed.mamba_learning_rate, seed.weight_decay) == (
        "sgd", 0.01, 0.005, 1e-4
    )  # fmt: skip
    assert (seed.model_type, seed.model, seed.target, seed.scaler) == ("min_gru", "gru", "level", "all")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "mambo"}, "did you mean mamba"),
        ({"target": "levels"}, "did you mean level"),
        ({"learning_rate": 0}, "learning_rate is 0; expected more than 0"),
        ({"seq_len": 0}, "expected 1 or more"),
        ({"validation_share": 0.5, "test_share": 0.5}, "sum below 1"),
        ({"attention": "last", "hidden_size": 6}, "divisor of hidden_size"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict, words: str):
    with pytest.raises(ValueError, match=words):
        replace(ForecastConfig(), **changes)


def test_unknown_presets_and_settings_are_told_the_nearest():
    with pytest.raises(ValueError, match="did you mean seed"):
        preset("sed")
    with pytest.raises(ValueError, match="did you mean n_epochs"):
        preset("seed", epochs=5)
