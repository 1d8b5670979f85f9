"""The network: two templates, the past boxes and a search crop go in as one sequence; a box and a score come
out.

The sequence is [first template, dynamic template, past boxes, search, x1 y1 x2 y2, score]. A scan cannot be
masked like attention, so the order says who sees whom: on its way forwards each search token has already seen
both templates and the trajectory, and the commands at the end have seen everything; on its way back the
search tokens have seen what the commands ask for, and the templates what the search showed.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wayscan.nn import BidirectionalMamba, Mamba, MLPHead, VimBlock, truncated_normal, zero_out_projections
from wayscan.nn.bidirectional import Mode
from wayscan.track.attention import AttentionBlock, MaskDecoder
from wayscan.track.config import TrackConfig
from wayscan.track.coordinates import decode, to_bins
from wayscan.track.dense import DenseHead, best_box
from wayscan.track.embed import ConvStem, Correlation, Matches, PatchStem, coverage


class Templates(NamedTuple):
    """The two templates (first, dynamic) as the network keeps them between frames.

    Attributes:
        tokens: (B, 2 N, D).
        matches: what search cells are compared with, with the correlation.
    """

    tokens: Tensor
    matches: Matches | None = None


class TrackOutput(NamedTuple):
    """What the network says about a search crop; boxes are x1, y1, x2, y2 in units of it.

    Attributes:
        logits: (B, 4, V) over the bins of each coordinate.
        score: (B,) logit of the IoU that the final box will have.
        heat: (B, h, w) logits of the target's centre, with the dense head.
        dense: (B, 4, h, w) a box for each place, with the dense head.
        patches, hidden: (B, N, 768) the dynamic template reconstructed and (B, N) what was hidden, with the
            mask decoder in training.
    """

    logits: Tensor
    score: Tensor
    heat: Tensor | None = None
    dense: Tensor | None = None
    patches: Tensor | None = None
    hidden: Tensor | None = None


class TrackModel(nn.Module):
    """ARTrackMamba by its configuration; `base` has 118.8 M parameters.

    >>> from wayscan.track.config import preset
    >>> TrackModel(preset("nano")).config.tokens
    129
    """

    def __init__(self, config: TrackConfig) -> None:
        super().__init__()
        self.config = config
        D = config.width
        self.stem = PatchStem(D) if config.stem == "patch" else ConvStem(config.stem_width, D)
        cells = (config.template_grid * self.stem.cells_per_token) ** 2
        self.correlation = Correlation(self.stem.channels, cells) if config.correlation else None

        # Templates and search share their positions: a template's are those of the search grid, averaged.
        self.position = nn.Parameter(torch.zeros(1, config.search_grid**2, D))
        self.search_pos_bias = (
            nn.Parameter(torch.zeros(1, config.search_grid**2, D)) if config.search_pos_bias else None
        )
        self.dynamic_embedding = nn.Parameter(torch.zeros(1, 1, D))
        self.target_embedding = nn.Parameter(torch.zeros(1, 1, D))
        self.words = nn.Embedding(config.vocabulary, D)
        self.word_bias = nn.Parameter(torch.zeros(config.coordinate_bins))
        self.prompt_position = nn.Parameter(torch.zeros(1, 4 * config.past + 5, D))

        self.blocks = nn.ModuleList(_blocks(config))
        self.norm = nn.RMSNorm(D, eps=1e-5)
        self.dense_head = (
            DenseHead(D, self.stem.channels, self.stem.cells_per_token, config.dense_width)
            if config.dense_head
            else None
        )
        extra = config.dense_width + 1 if config.dense_head else 0
        self.score_head = MLPHead(D + extra, 1, (D,), activation="gelu", norm="none")
        self.mask_decoder = MaskDecoder(D, config.template_grid**2) if config.mask_decoder else None
        self._initialise()

    def forward(
        self, first: Tensor, dynamic: Tensor, search: Tensor, template_boxes: Tensor, past: Tensor
    ) -> TrackOutput:
        """One search crop for each of B targets.

        Args:
            first, dynamic: (B, 3, S, S) normalised templates. search: (B, 3, X, X).
            template_boxes: (B, 2, 4) the target in each template.
            past: (B, T, 4) the last boxes, oldest first, in units of this search crop.
        """
        return self.look(self.remember(torch.stack([first, dynamic], dim=1), template_boxes), search, past)

    def remember(self, images: Tensor, boxes: Tensor) -> Templates:
        """Embed templates once for many frames: images (B, 2, 3, S, S), boxes (B, 2, 4)."""
        pairs, grid = images.shape[:2], self.config.template_grid
        cells = self.stem.cells(images.flatten(0, 1))
        tokens = self.stem.tokens(cells).unflatten(0, pairs) + self._template_position()[:, None]
        tokens = tokens + coverage(boxes, grid)[..., None] * self.target_embedding
        kinds = torch.cat([torch.zeros_like(self.dynamic_embedding), self.dynamic_embedding])
        matches = None
        if self.correlation is not None:
            features = cells.flatten(2).transpose(1, 2).unflatten(0, pairs)
            matches = self.correlation.remember(features, coverage(boxes, grid * self.stem.cells_per_token))
        return Templates((tokens + kinds).flatten(1, 2), matches)

    def look(self, templates: Templates, search: Tensor, past: Tensor) -> TrackOutput:
        """Find the target of the templates in search (B, 3, X, X)."""
        cells = self.stem.cells(search)
        if self.correlation is not None and templates.matches is not None:
            cells = self.correlation(cells, templates.matches)
        x = torch.cat([templates.tokens, *self._prompted(cells, past)], dim=1)
        for block in self.blocks:
            x = block(x)
        return self._heads(self.norm(x.to(self.norm.weight.dtype)), cells)

    def boxes(self, output: TrackOutput) -> Tensor:
        """The final boxes (B, 4): corners in units of the search crop."""
        if self.config.box_from == "tokens":
            return decode(output.logits)
        assert output.heat is not None
        assert output.dense is not None
        return best_box(output.heat, output.dense)

    def _prompted(self, cells: Tensor, past: Tensor) -> list[Tensor]:
        """The rest of the sequence after the templates: past boxes, search, commands."""
        batch = cells.shape[0]
        search = self.stem.tokens(cells) + self.position
        if self.search_pos_bias is not None:
            search = search + self.search_pos_bias
        bins, kept = self.config.coordinate_bins, self.config.past
        trajectory = to_bins(past[:, past.shape[1] - kept :].flatten(1), bins)
        commands = torch.tensor([0, 1, 2, 3, 5], device=cells.device).add(bins).expand(batch, -1)
        trajectory_position, command_position = self.prompt_position.split([4 * kept, 5], dim=1)
        return [
            self.words(trajectory) + trajectory_position,
            search,
            self.words(commands) + command_position,
        ]

    def _heads(self, x: Tensor, cells: Tensor) -> TrackOutput:
        templates = 2 * self.config.template_grid**2
        search = x[:, templates + 4 * self.config.past : -5]
        words = self.words.weight[: self.config.coordinate_bins]
        logits = F.linear(x[:, -5:-1], words) + self.word_bias
        heat = dense = patches = hidden = None
        score_features = x[:, -1]
        if self.dense_head is not None:
            heat, dense, found = self.dense_head(search, cells)
            score_features = torch.cat([score_features, found], dim=-1)
        if self.mask_decoder is not None and self.training:
            patches, hidden = self.mask_decoder(x[:, templates // 2 : templates])
        score = self.score_head(score_features).squeeze(-1)
        return TrackOutput(logits, score, heat, dense, patches, hidden)

    def _template_position(self) -> Tensor:
        """(1, N, D) for a template of N tokens."""
        grid, larger = self.config.template_grid, self.config.search_grid
        image = self.position.transpose(1, 2).unflatten(2, (larger, larger))
        return F.avg_pool2d(image, larger // grid).flatten(2).transpose(1, 2)

    def _initialise(self) -> None:
        truncated_normal(self)
        for name in ("position", "prompt_position"):
            nn.init.trunc_normal_(self.get_parameter(name), std=0.02)
        # After every generic initialiser; weights that are loaded later replace the zeros.
        zero_out_projections(self.blocks)


def _blocks(config: TrackConfig) -> list[nn.Module]:
    if config.encoder == "vit":
        heads = max(1, config.width // 64)
        depth = max(1, config.depth // 2)
        return [AttentionBlock(config.width, heads, rate) for rate in _drop_rates(config, depth)]
    return [
        VimBlock(
            _mixer(config),
            config.width,
            drop_path=rate,
            local_conv=config.local_conv,
            layer_scale=config.layer_scale,
        )
        for rate in _drop_rates(config, config.depth)
    ]


def _mixer(config: TrackConfig) -> nn.Module:
    if config.encoder == "forward":
        return Mamba(config.width, config.states)
    mode: Mode = "separate" if config.encoder == "separate" else "shared"
    if config.fusion == "gated":
        mode = "gated"
    return BidirectionalMamba(config.width, mode, d_state=config.states)


def _drop_rates(config: TrackConfig, depth: int) -> list[float]:
    """The rate grows linearly from 0 to the last block's."""
    return [config.drop_path * k / max(1, depth - 1) for k in range(depth)]
