"""What sees one frame and what knows the state: images and vectors to features.

VMambaRLTiny is VMamba's four stages, small. NatureCNN and FlatImage are what it is measured against.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from wayscan.fly.config import PilotConfig
from wayscan.nn import Downsample, MLPHead, PatchPartition, VSSBlock
from wayscan.train.modules import recompute_activations

FLAT_SIDE = 16  # pixels of the image that FlatImage sees


def scaled(image: Tensor) -> Tensor:
    """Pixels as the networks see them: uint8 becomes float in [0, 1]."""
    return image.float() / 255 if image.dtype == torch.uint8 else image


class VMambaRLTiny(nn.Module):
    """Four stages of VSS blocks and a pooled head, (B, C, H, W) → (B, D_v).

        x = patches(adapter(image))                 (B, H / p, W / p, D)
        x = downsample_i(stage_i(x))  i = 1, 2, 3   half the grid, twice the channels, each time
        output = head(mean over the grid of stage_4(x))

    The adapter is a 1 × 1 convolution to three channels; an image of three channels needs none.
    """

    def __init__(self, config: PilotConfig) -> None:
        super().__init__()
        assert config.image is not None
        self.config = config
        channels, width = config.image[0], config.vmamba_hidden_dim
        self.adapter = nn.Identity() if channels == 3 else nn.Conv2d(channels, 3, 1)
        self.patches = PatchPartition(3, width, config.vmamba_patch_size)
        counts = config.vmamba_num_vss_blocks
        rates = iter(torch.linspace(0, config.vmamba_drop_path_rate, sum(counts), device="cpu").tolist())
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    VSSBlock(
                        width << number,
                        drop_path=next(rates),
                        d_state=config.vmamba_ssm_d_state,
                        ssm_ratio=config.vmamba_ssm_ratio,
                        mlp_ratio=config.vmamba_mlp_ratio,
                        layer_scale=config.vmamba_layer_scale_init or None,
                    )
                    for _ in range(count)
                )
            )
            for number, count in enumerate(counts)
        )
        self.downsamples = nn.ModuleList(Downsample(width << number) for number in range(len(counts) - 1))
        self.head = nn.Linear(width << (len(counts) - 1), config.feature_dim)

    def forward(self, image: Tensor) -> Tensor:
        x = self._embed(image)
        for stage, downsample in itertools.zip_longest(self.stages, self.downsamples):
            x = stage(x)
            x = x if downsample is None else downsample(x)
        return self.head(x.mean(dim=(1, 2)))

    def _embed(self, image: Tensor) -> Tensor:
        """(B, C, H, W) → (B, H / p, W / p, D): patches(adapter(image)), as one matrix.

        Two linear maps in a row are one; made one here, the image is read once, which on a CPU is a fifth of
        the time.
        """
        weight, bias, p = self.patches.proj.weight, self.patches.proj.bias, self.config.vmamba_patch_size
        assert bias is not None
        if isinstance(self.adapter, nn.Conv2d):
            assert self.adapter.bias is not None
            bias = bias + torch.einsum("dmhw,m->d", weight, self.adapter.bias)
            weight = torch.einsum("dmhw,mc->dchw", weight, self.adapter.weight[:, :, 0, 0])
        rows, columns = self.config.grids[0]
        cut = image.unflatten(3, (columns, p)).unflatten(2, (rows, p)).permute(0, 2, 4, 1, 3, 5).flatten(3)
        if cut.dtype == torch.uint8:
            weight = weight / 255
        return self.patches.norm(functional.linear(cut.to(weight.dtype), weight.flatten(1), bias))


class NatureCNN(nn.Module):
    """The three convolutions of Mnih 2015 and a linear layer, (B, `frames` · C, H, W) → (B, D_v).

    Pixels at the lower and right edge that no convolution reaches whole are cut off. The weights keep their
    usual layout, for optimisers and files; each pass lays out what a CPU reads fastest.
    """

    def __init__(self, config: PilotConfig, frames: int = 1) -> None:
        super().__init__()
        assert config.image is not None
        self.convolutions = nn.Sequential(
            nn.Conv2d(frames * config.image[0], 32, 8, stride=4), nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 4, stride=2), nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, 3, stride=1), nn.ReLU(inplace=True), nn.Flatten(),
        )  # fmt: skip
        sides = [self._side(side) for side in config.image[1:]]
        if min(sides) < 1:
            raise ValueError(
                f"the image is {config.image[1]} × {config.image[2]}; expected at least 36 × 36 for a CNN: "
                f"choose larger images, or encoder mlp"
            )
        self.reached = [36 + 8 * (side - 1) for side in sides]
        self.head = nn.Linear(64 * sides[0] * sides[1], config.feature_dim)

    def forward(self, image: Tensor) -> Tensor:
        first, *others = self.convolutions
        assert isinstance(first, nn.Conv2d)
        x = first_convolution(first, image[..., : self.reached[0], : self.reached[1]])
        for layer in others:
            if isinstance(layer, nn.Conv2d):
                x = functional.conv2d(x, channels_innermost(layer.weight), layer.bias, layer.stride)
            else:
                x = layer(x)
        return self.head(x)

    @staticmethod
    def _side(side: int) -> int:
        for kernel, stride in ((8, 4), (4, 2), (3, 1)):
            side = (side - kernel) // stride + 1
        return side


def channels_innermost(x: Tensor) -> Tensor:
    return x.clone(memory_format=torch.channels_last)


def first_convolution(layer: nn.Conv2d, image: Tensor) -> Tensor:
    """`layer(scaled(image))` for 8 × 8 pixels in steps of 4, (B, C, H, W): each four rows are made channels.

    One channel alone is slow to convolve on a CPU: 10 ms against 3 ms for 256 images of 64 × 64.
    """
    weight = layer.weight.unflatten(2, (2, 4)).transpose(2, 3).flatten(1, 2)
    if image.dtype == torch.uint8:
        weight = weight / 255
    rows = image.unflatten(2, (-1, 4)).transpose(2, 3).flatten(1, 2)
    rows = rows.to(weight.dtype, memory_format=torch.channels_last)
    return functional.conv2d(rows, channels_innermost(weight), layer.bias, (1, 4))


class FlatImage(nn.Module):
    """A perceptron on the image made small, (B, C, H, W) → (B, D_v)."""

    def __init__(self, config: PilotConfig) -> None:
        super().__init__()
        assert config.image is not None
        self.height, self.width = (min(side, FLAT_SIDE) for side in config.image[1:])
        size = config.image[0] * self.height * self.width
        self.mlp = MLPHead(size, config.feature_dim, (256,), norm="none")

    def forward(self, image: Tensor) -> Tensor:
        image = functional.interpolate(scaled(image), (self.height, self.width), mode="area")
        return self.mlp(image.flatten(1))


class StateMLP(nn.Module):
    """(…, D_s) → (…, D_sf): linear, ReLU, linear."""

    def __init__(self, state_dim: int, features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(state_dim, features), nn.ReLU(), nn.Linear(features, features))

    def forward(self, state: Tensor) -> Tensor:
        return self.layers(state)


def visual_encoder(config: PilotConfig, *, recompute: bool = False) -> nn.Module | None:
    """What sees a frame; None where there are no images.

    Args:
        recompute: compute the stages' activations again in the backward pass, to save memory.
    """
    if config.image is None:
        return None
    if config.stacked:
        return nn.Flatten()
    if config.encoder == "vmamba":
        encoder = VMambaRLTiny(config)
        if recompute:
            recompute_activations(encoder, ("stages.*",))
        return encoder
    return FlatImage(config) if config.encoder == "mlp" else NatureCNN(config)
