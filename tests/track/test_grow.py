"""Grown trackers answer as before, and learn from there with all that was added."""

from dataclasses import replace

import pytest
import torch

from wayscan.track.config import TrackConfig, preset
from wayscan.track.grow import grow
from wayscan.track.model import TrackModel

NANO = preset("nano", width=32, stem_width=16, dense_width=8, template_size=32, search_size=64)
PLAIN = preset("small", width=48, depth=2, template_size=32, search_size=64)


def inputs(config: TrackConfig) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    sizes = (config.template_size, config.template_size, config.search_size)
    boxes = torch.tensor([0.25, 0.25, 0.75, 0.75]).expand(2, 2, 4)
    return (*(torch.randn(2, 3, size, size) for size in sizes), boxes, torch.rand(2, 7, 4))


def trained(config: TrackConfig) -> TrackModel:
    """A network in which no weight is zero any more."""
    torch.manual_seed(0)
    model = TrackModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (preset("nano"), preset("tiny", depth=4)),
        (replace(NANO, states=4), replace(NANO, width=48, states=8, depth=4)),
        (replace(NANO, encoder="separate"), replace(NANO, encoder="separate", width=40, stem_width=32)),
        (replace(NANO, encoder="forward"), replace(NANO, encoder="forward", depth=5)),
        (PLAIN, replace(PLAIN, width=96, depth=3, dense_width=96)),
    ],
    ids=["nano to tiny", "states", "separate", "deeper alone", "patches"],
)
def test_it_answers_as_before_and_everything_old_learns(before: TrackConfig, after: TrackConfig):
    small, large = trained(before), TrackModel(after)
    large.load_state_dict(grow(small.state_dict(), before, large))
    seen = inputs(before)
    with torch.no_grad():
        expected, found = small(*seen), large.eval()(*seen)
    for name in ("logits", "score", "heat", "dense"):
        one, other = getattr(expected, name), getattr(found, name)
        torch.testing.assert_close(other, one, atol=1e-3 * float(one.abs().max()), rtol=0)
    torch.testing.assert_close(large.boxes(found), small.boxes(expected), atol=2e-3, rtol=0)

    output = large.train()(*seen)
    total = sum(x.square().mean() for x in (output.logits, output.score, output.heat, output.dense))
    total.backward()
    silent = [name for name, p in large.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    # Inside an added block only the output projection learns at the first step.
    added = {f"blocks.{k}" for k in range(before.depth, after.depth)}
    assert {".".join(name.split(".")[:2]) for name in silent} <= added
    assert not [name for name in silent if "out_proj" in name]


def test_copies_of_a_channel_part():
    """They see the same and are read unevenly, so that their gradients differ."""
    before, after = NANO, replace(NANO, stem_width=2 * NANO.stem_width)
    small, large = trained(before), TrackModel(after)
    large.load_state_dict(grow(small.state_dict(), before, large))
    large(*inputs(before)).logits.square().mean().backward()
    gradient = large.stem.get_parameter("down.1.weight").grad
    assert gradient is not None
    one, other = gradient.chunk(2)
    assert (one - other).abs().max() > 1e-2 * one.abs().max()


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"past": 3}, "past 7 and 3"),
        ({"width": 16}, "width would shrink"),
        ({"stem_width": 24}, "a multiple of 16"),
        ({"encoder": "vit"}, "encoder 'shared' and 'vit'"),
    ],
)
def test_what_cannot_be_grown_is_refused(after: dict, words: str):
    large = TrackModel(replace(NANO, **after))
    with pytest.raises(ValueError, match=words) as refusal:
        grow({}, NANO, large)
    assert "\n" not in str(refusal.value)


def test_attention_is_refused():
    vit = replace(NANO, encoder="vit")
    with pytest.raises(ValueError, match="cannot be grown"):
        grow({}, vit, TrackModel(replace(vit, width=64)))
