"""The network: its size, its order, who sees whom, and where the gradient goes."""

from dataclasses import replace

import pytest
import torch

from wayscan.track.config import ABLATIONS, PRESETS, TrackConfig, preset
from wayscan.track.embed import Correlation
from wayscan.track.model import TrackModel

SMALL = TrackConfig(
    width=32,
    depth=2,
    states=4,
    template_size=32,
    search_size=64,
    stem="conv",
    stem_width=16,
    correlation=True,
    mask_decoder=False,
    dense_head=True,
    dense_width=8,
    box_from="dense",
    past=2,
    bins=20,
)


def inputs(config: TrackConfig, batch: int = 2) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    side, search = config.template_size, config.search_size
    return {
        "first": torch.randn(batch, 3, side, side),
        "dynamic": torch.randn(batch, 3, side, side),
        "search": torch.randn(batch, 3, search, search),
        "template_boxes": torch.tensor([[0.25, 0.25, 0.75, 0.75]] * 2).expand(batch, 2, 4),
        "past": torch.rand(batch, 7, 4),
    }


def made(config: TrackConfig) -> TrackModel:
    """A model whose blocks all do something, as after training."""
    torch.manual_seed(0)
    model = TrackModel(config).eval()
    for name, parameter in model.named_parameters():
        if "out_proj" in name or "local_conv" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize(
    ("name", "millions"), [("base", 118.8), ("small", 24.5), ("tiny", 2.717), ("nano", 0.63)]
)
def test_parameter_counts(name, millions):
    with torch.device("meta"):
        model = TrackModel(preset(name))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_correlation_as_its_docstring_says():
    layer = Correlation(16, 9)
    assert sum(p.numel() for p in layer.parameters()) == 16**2 + 9 * 16 + 4 * 16 + 1
    templates, covered = torch.randn(1, 2, 9, 16), torch.zeros(1, 2, 9)
    covered[0, 0, 4] = 1
    search = torch.randn(1, 16, 6, 6)
    search[0, :, 2, 3] = 3 * templates[0, 0, 4]  # the cosine forgets the length
    with torch.no_grad():
        layer.sharpness.fill_(1000.0)
        added = layer(search, layer.remember(templates, covered)) - search
        value = layer.value(templates[0, 0, 4]) + layer.place[4] + layer.covered
    torch.testing.assert_close(added[0, :, 2, 3], value + layer.best, atol=1e-4, rtol=1e-4)


def test_one_set_of_weights_for_both_directions():
    counts = {}
    for encoder in ("shared", "separate", "forward"):
        with torch.device("meta"):
            blocks = TrackModel(replace(PRESETS["base"], encoder=encoder)).blocks
        counts[encoder] = sum(p.numel() for p in blocks.parameters())
    assert counts["shared"] == counts["forward"]
    assert counts["separate"] - counts["shared"] == 24 * 3_770_880


def test_sequence_is_as_long_as_the_configuration_says():
    for config in (SMALL, PRESETS["nano"]):
        model, seen = made(config), []
        model.blocks[0].register_forward_hook(lambda _, given, out, seen=seen: seen.append(given[0].shape))
        with torch.no_grad():
            model(**inputs(config))
        assert seen == [(2, config.tokens, config.width)]
    assert PRESETS["base"].tokens == 64 + 64 + 28 + 256 + 5


def test_shapes():
    with torch.no_grad():
        model = made(SMALL)
        output = model(**inputs(SMALL, 3))
    assert output.logits.shape == (3, 4, 40)
    assert output.score.shape == (3,)
    assert output.heat.shape == (3, 8, 8)
    assert output.dense.shape == (3, 4, 8, 8)
    assert model.boxes(output).shape == (3, 4)


def test_both_ways_to_run_agree():
    """Templates remembered once give what templates embedded with every frame give."""
    model, given = made(SMALL), inputs(SMALL)
    with torch.no_grad():
        templates = model.remember(
            torch.stack([given["first"], given["dynamic"]], dim=1), given["template_boxes"]
        )
        again = model.look(templates, given["search"], given["past"])
        torch.testing.assert_close(again.logits, model(**given).logits)


def encoder_reach(encoder: str) -> torch.Tensor:
    """Which tokens (L, L) of the output change when a token of the input does."""
    model = made(replace(SMALL, encoder=encoder, local_conv=False))
    x = torch.randn(1, 12, SMALL.width, requires_grad=True)
    y = x
    for block in model.blocks:
        y = block(y)
    rows = [torch.autograd.grad(y[0, k].sum(), x, retain_graph=True)[0].abs().sum(-1) for k in range(12)]
    return torch.cat(rows) > 0


def test_one_direction_is_causal_and_two_see_everything():
    assert (encoder_reach("forward") == torch.ones(12, 12).tril().bool()).all()
    assert encoder_reach("shared").all()
    assert encoder_reach("separate").all()


def test_groups_come_in_an_order_that_a_causal_scan_can_use():
    """In one direction templates know nothing of the search, and the commands know everything."""
    config = replace(SMALL, encoder="forward", local_conv=False, correlation=False)
    model, given = made(config), inputs(config, 1)
    templates, prompt = 2 * config.template_grid**2, 4 * config.past
    outputs = []
    model.norm.register_forward_hook(lambda _, inputs, out: outputs.append(out))
    with torch.no_grad():
        model(**given)
        for name in ("search", "past", "dynamic"):
            model(**{**given, name: given[name].flip(-1) * 0.5})
    changed = [(outputs[0] != other).any(-1)[0] for other in outputs[1:]]
    assert [int(change.nonzero()[0]) for change in changed] == [
        templates + prompt,
        templates,
        templates // 2,
    ]
    assert all(change[-5:].all() for change in changed)


def test_the_past_is_left_out_on_request():
    config = replace(SMALL, past=0)
    model, given = made(config), inputs(config)
    with torch.no_grad():
        torch.testing.assert_close(
            model(**given).logits, model(**{**given, "past": 1 - given["past"]}).logits, rtol=0, atol=0
        )


def test_search_pos_bias_touches_search_tokens_only():
    model, given = made(SMALL), inputs(SMALL, 1)
    seen = []
    model.blocks[0].register_forward_hook(lambda _, given, out: seen.append(given[0]))
    with torch.no_grad():
        model(**given)
        model.search_pos_bias += 1
        model(**given)
    changed = (seen[0] != seen[1]).any(-1)[0]
    first = 2 * SMALL.template_grid**2 + 4 * SMALL.past
    assert changed[first : first + SMALL.search_grid**2].all()
    assert changed.sum() == SMALL.search_grid**2


@pytest.mark.parametrize("changes", [*ABLATIONS.values(), {"encoder": "vit"}, {"encoder": "separate"}])
def test_every_variant_trains_every_parameter(changes):
    config = replace(SMALL, **changes)
    model, given = made(config).train(), inputs(config)
    output = model(**given)
    (output.logits.sum() + output.score.sum() + output.heat.square().sum() + output.dense.sum()).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None]
    assert idle == []


def test_mask_decoder_reconstructs_in_training_only():
    config = replace(SMALL, mask_decoder=True)
    model, given = made(config), inputs(config)
    with torch.no_grad():
        assert model(**given).patches is None
        output = model.train()(**given)
    assert output.patches.shape == (2, 4, 768)
    assert output.hidden.sum(1).tolist() == [3, 3]


def test_fresh_blocks_are_the_identity():
    model = TrackModel(SMALL)
    x = torch.randn(1, 5, SMALL.width)
    with torch.no_grad():
        torch.testing.assert_close(model.blocks[0](x), x)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search_size": 100}, "multiple of 16"),
        ({"search_size": 48}, "multiple of template_size"),
        ({"dense_head": False}, "dense_head"),
        ({"encoder": "vit", "fusion": "gated"}, "gated"),
        ({"depth": 0}, "depth"),
    ],
)
def test_impossible_configurations_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(SMALL, **changes)


def test_unknown_preset_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean tiny"):
        preset("tinny")
