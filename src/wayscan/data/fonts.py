"""Fonts of figures by language."""

from logging import ERROR, getLogger
from typing import Any, Literal, get_args

from wayscan.names import expect_one_of

Language = Literal["en", "zh"]

CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "PingFang SC", "Heiti SC", "Unifont",
)  # fmt: skip


def font_settings(language: Language) -> dict[str, Any]:
    """Matplotlib settings with a font that has the glyphs."""
    if expect_one_of("language", language, get_args(Language)) == "en":
        return {}
    from matplotlib import font_manager

    # Some of these fonts have one weight only, and every label would say so on standard error.
    getLogger("matplotlib.font_manager").setLevel(ERROR)
    installed = {font.name for font in font_manager.fontManager.ttflist}
    for name in CHINESE_FONTS:
        if name in installed:
            return {"font.family": ["DejaVu Sans", name]}  # what the first lacks comes from the second
    raise ValueError(
        "language is 'zh', but no font with Chinese glyphs is installed: install one (Debian: apt install "
        "fonts-noto-cjk; then delete matplotlib's font cache) or use language 'en'"
    )
