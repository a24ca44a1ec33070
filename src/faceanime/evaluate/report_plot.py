"""Draw the plots of a report as SVG with matplotlib, for light and dark pages, wide and narrow ones."""

from __future__ import annotations

import base64
import io
import logging
import math
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float64

from faceanime.evaluate.report import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.ticker import Locator

_MOST_MARKED_POINTS = 40
"""Curves of more points are drawn without a marker on each."""
_FONT_PX = 12.5
"""Size of all labels; chosen by eye."""
_CHARACTER_PX = 7.5
"""Width of an average character at `_FONT_PX`, rounded up."""
_LEGEND_HANDLE_PX = 48.0
"""Width of a legend entry besides its text."""
_LEGEND_ROW_PX = 19.0
"""Height of a row of the legend."""
_FEWEST_TICKS = 3
"""Least number of labeled ticks of an axis; chosen by eye."""
_LINE_STYLES = ("-", (0, (4.0, 2.3)), (0, (1.2, 2.0)))
"""Line styles: once all hues are used, they are repeated in the next style. Dashes are in line widths."""
_SETTINGS = {
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelsize": _FONT_PX,
    "axes.titlesize": _FONT_PX,
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "axes.ymargin": 0.06,
    "axes.xmargin": 0.02,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # bundled with matplotlib: the layout is the same on every machine
    "font.size": _FONT_PX,
    "figure.dpi": 72.0,  # a point is a pixel
    "lines.linewidth": 1.75,
    "lines.markersize": 6.0,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "faceanime",  # ids are random without it
    "text.parse_math": False,
    "xtick.major.size": 5.0,
    "ytick.major.size": 0.0,
    "ytick.minor.size": 0.0,
}
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Theme:
    """Colors of a plot, chosen by eye; `axis` and `grid` are those of `templates/report.css`."""

    axis: str
    grid: str
    hues: tuple[str, ...]


LIGHT = Theme("#5b6671", "#d8dde2", ("#1f6fb2", "#c8501a", "#25855a", "#8c4aa5", "#a67c00", "#66707a"))
DARK = Theme("#98a3ad", "#343c43", ("#6cb2ea", "#f0935f", "#63c596", "#c792dc", "#dcb950", "#a3adb6"))
WIDE_PX, NARROW_PX = (640.0, 320.0), (360.0, 300.0)
"""Width, and height without legend, on a desktop and on a phone."""


class PlotVariant(NamedTuple):
    """A plot as a picture for pages to which the CSS media query `media` applies."""

    media: str
    uri: str
    width_px: int
    height_px: int


def plot_variants(plot: Plot) -> list[PlotVariant]:
    """The plot for narrow and wide pages, dark and light; the last one, wide and light, is the default."""
    return [
        _variant(plot, f"{width_query} and (prefers-color-scheme: {scheme})", theme, size_px)
        for width_query, size_px in (("(max-width: 36rem)", NARROW_PX), ("(min-width: 0)", WIDE_PX))
        for scheme, theme in (("dark", DARK), ("light", LIGHT))
    ]


def _variant(plot: Plot, media: str, theme: Theme, size_px: tuple[float, float]) -> PlotVariant:
    svg, width_px, height_px = plot_svg(plot, theme, size_px)
    uri = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
    return PlotVariant(media, uri, width_px, height_px)


def plot_svg(plot: Plot, theme: Theme, size_px: tuple[float, float]) -> tuple[bytes, int, int]:
    """The plot as an SVG file, with its width and height; the same plot gives the same bytes."""
    names = list(plot.series)
    columns = _legend_columns(names, size_px[0])
    legend_px = _LEGEND_ROW_PX * math.ceil(len(names) / columns) if len(names) > 1 else 0.0
    width_px, height_px = size_px[0], size_px[1] + legend_px
    with _matplotlib_set_up(theme):
        from matplotlib.figure import Figure  # not pyplot: no windows, no global list of figures

        figure = Figure(figsize=(width_px / 72.0, height_px / 72.0), layout="constrained")
        axes = figure.add_subplot()
        lines = [_draw_curve(axes, x, y, i, theme) for i, (x, y) in enumerate(_drawable_curves(plot))]
        axes.set_title(textwrap.fill(plot.y_label, int(width_px / _CHARACTER_PX)))
        axes.set_xlabel(plot.x_label, loc="right")
        _set_scales(axes, plot)
        if len(names) > 1:
            figure.legend(lines, names, loc="outside upper left", ncols=columns, frameon=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata=_NO_METADATA)
    return buffer.getvalue(), round(width_px), round(height_px)


@contextmanager
def _matplotlib_set_up(theme: Theme) -> Iterator[None]:
    """Load matplotlib and apply only our own settings until the block ends."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)  # no notes on the font cache, which it builds when it is first used
    try:
        import matplotlib.style

        colors = {
            "axes.edgecolor": theme.axis,
            "axes.labelcolor": theme.axis,
            "axes.titlecolor": theme.axis,
            "grid.color": theme.grid,
            "legend.labelcolor": theme.axis,
            "xtick.color": theme.axis,
            "ytick.color": theme.axis,
        }
        with warnings.catch_warnings(), matplotlib.style.context(["default", _SETTINGS | colors]):
            warnings.filterwarnings(
                "ignore", message="Glyph .* missing from font"
            )  # a browser has more fonts
            yield
    finally:
        logger.setLevel(level)


def _legend_columns(names: list[str], width_px: float) -> int:
    longest_px = _LEGEND_HANDLE_PX + _CHARACTER_PX * max(map(len, names), default=0)
    return max(1, min(len(names), int(width_px / longest_px)))


def _drawable_curves(plot: Plot) -> list[tuple[Float64[np.ndarray, " N"], Float64[np.ndarray, " N"]]]:
    """The x and y of each curve; y is NaN where it cannot be drawn."""
    curves = []
    for x, y in plot.series.values():
        values = y.astype(np.float64)
        drawable = np.isfinite(values) & (values > 0.0) if plot.log_y else np.isfinite(values)
        curves.append((x.astype(np.float64), np.where(drawable, values, np.nan)))
    return curves


def _draw_curve(
    axes: Axes, x: Float64[np.ndarray, " N"], y: Float64[np.ndarray, " N"], index: int, theme: Theme
) -> Line2D:
    """Draw a curve with gaps where y is NaN; markers on its points if they are few, else between two gaps only."""
    hue = theme.hues[index % len(theme.hues)]
    style = _LINE_STYLES[index // len(theme.hues) % len(_LINE_STYLES)]
    known = np.pad(np.isfinite(y), 1)
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    marked = known[1:-1] if len(y) <= _MOST_MARKED_POINTS else alone
    marker = "o" if marked.any() else ""
    (line,) = axes.plot(x, y, color=hue, linestyle=style, marker=marker, markevery=np.flatnonzero(marked))
    line.set_gid(f"curve-{index}")
    return line


def _set_scales(axes: Axes, plot: Plot) -> None:
    """Set a logarithmic scale if asked for, round tick positions, and plain numbers at the ticks."""
    from matplotlib import ticker

    formatter = ticker.FuncFormatter(lambda value, _: f"{value:zg}".replace("-", "\N{MINUS SIGN}"))
    axes.xaxis.set_major_formatter(formatter)
    if plot.log_y and any(np.isfinite(y).any() for _, y in _drawable_curves(plot)):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(_log_locator(axes))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(formatter)


def _log_locator(axes: Axes) -> Locator:
    """Powers of ten; where there are too few of them, also 2 and 5 times as much; else evenly spaced numbers."""
    from matplotlib import ticker

    low, high = axes.get_ylim()
    for factors in ((1.0,), (1.0, 2.0, 5.0)):
        locator = ticker.LogLocator(subs=factors, numticks=8)
        ticks = np.asarray(locator.tick_values(low, high))
        if np.count_nonzero((low <= ticks) & (ticks <= high)) >= _FEWEST_TICKS:
            return locator
    return ticker.MaxNLocator(5)
