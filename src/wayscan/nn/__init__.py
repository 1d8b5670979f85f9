"""Building blocks of the five systems: sequence mixers, vision blocks, pooling, heads, initialisers.

Letters of the shapes, here and in every docstring of the package:

    B batch    L length    D channels    E inner channels (expand · D)    N state
    H W image, or a grid of patches    K frames    T horizon

Every block's docstring gives its number of parameters as a formula; tests hold it with numbers.
"""

from typing import TYPE_CHECKING

from wayscan.lazy import lazy_names

if TYPE_CHECKING:
    from wayscan.nn.attention import AttentionPool as AttentionPool
    from wayscan.nn.bidirectional import BidirectionalMamba as BidirectionalMamba
    from wayscan.nn.bidirectional import merge_directions as merge_directions
    from wayscan.nn.heads import DisplacementHead as DisplacementHead
    from wayscan.nn.heads import MLPHead as MLPHead
    from wayscan.nn.heads import TanhHead as TanhHead
    from wayscan.nn.initialise import truncated_normal as truncated_normal
    from wayscan.nn.initialise import zero_out_projections as zero_out_projections
    from wayscan.nn.mamba import Mamba as Mamba
    from wayscan.nn.mamba import MambaState as MambaState
    from wayscan.nn.min_gru import MinGRU as MinGRU
    from wayscan.nn.regularise import DropPath as DropPath
    from wayscan.nn.regularise import LayerScale as LayerScale
    from wayscan.nn.temporal import TemporalMamba as TemporalMamba
    from wayscan.nn.vim import LocalConv as LocalConv
    from wayscan.nn.vim import VimBlock as VimBlock
    from wayscan.nn.vss import SS2D as SS2D
    from wayscan.nn.vss import Downsample as Downsample
    from wayscan.nn.vss import PatchPartition as PatchPartition
    from wayscan.nn.vss import VSSBlock as VSSBlock
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AttentionPool": ".attention",
            "BidirectionalMamba": ".bidirectional",
            "merge_directions": ".bidirectional",
            "DisplacementHead": ".heads",
            "MLPHead": ".heads",
            "TanhHead": ".heads",
            "truncated_normal": ".initialise",
            "zero_out_projections": ".initialise",
            "Mamba": ".mamba",
            "MambaState": ".mamba",
            "MinGRU": ".min_gru",
            "DropPath": ".regularise",
            "LayerScale": ".regularise",
            "TemporalMamba": ".temporal",
            "LocalConv": ".vim",
            "VimBlock": ".vim",
            "Downsample": ".vss",
            "PatchPartition": ".vss",
            "SS2D": ".vss",
            "VSSBlock": ".vss",
        },
    )
