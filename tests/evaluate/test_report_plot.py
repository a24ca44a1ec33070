"""Plots of a report: their curves, ticks and texts, for light and dark pages, wide and narrow ones."""

import base64
import re
import warnings
from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
import pytest

from faceanime.evaluate.report import Plot
from faceanime.evaluate.report_plot import LIGHT, WIDE_PX, PlotVariant, plot_svg, plot_variants

NAN = float("nan")
SVG = "{http://www.w3.org/2000/svg}"


def plot_of(*ys: Sequence[float], log_y: bool = False) -> Plot:
    series = {f"curve {i}": (np.arange(len(y)), np.array(y, np.float64)) for i, y in enumerate(ys)}
    return Plot("A plot", "time", "error", series, log_y=log_y)


def wide(plot: Plot) -> ElementTree.Element:
    """The SVG root of a plot."""
    svg, _, _ = plot_svg(plot, LIGHT, WIDE_PX)
    return ElementTree.fromstring(svg)


def drawing_of(variant: PlotVariant) -> ElementTree.Element:
    return ElementTree.fromstring(base64.b64decode(variant.uri.partition(",")[2]))


def texts_of(drawing: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in drawing.iter(f"{SVG}text")]


def group_of(drawing: ElementTree.Element, name: str) -> ElementTree.Element:
    (group,) = [group for group in drawing.iter(f"{SVG}g") if group.get("id") == name]
    return group


def line_of(drawing: ElementTree.Element, curve: int) -> str:
    path = group_of(drawing, f"curve-{curve}").find(f"{SVG}path")
    assert path is not None
    return path.get("d") or ""


def test_a_plot_is_drawn_for_light_and_dark_wide_and_narrow_pages() -> None:
    variants = plot_variants(plot_of([3.0, 1.0, 2.0], [1.0, NAN, 2.0, 3.0]))
    assert len({variant.media for variant in variants}) == 4
    drawings = [drawing_of(variant) for variant in variants]
    for drawing, variant in zip(drawings, variants, strict=True):
        assert {"curve 0", "curve 1", "time", "error"} <= set(texts_of(drawing))
        assert drawing.get("width") == f"{variant.width_px}pt"
        assert drawing.get("height") == f"{variant.height_px}pt"
    assert [variant.width_px for variant in variants] == [360, 360, 640, 640]
    colors = [set(re.findall("#[0-9a-f]{6}", ElementTree.tostring(d, "unicode"))) for d in drawings]
    assert colors[0] == colors[2]
    assert colors[1] == colors[3]
    assert not colors[0] & colors[1]


def test_a_plot_shows_its_curves() -> None:
    drawing = wide(plot_of([3.0, 1.0, 2.0], [1.0, NAN, 2.0, 3.0]))
    first, second = line_of(drawing, 0), line_of(drawing, 1)
    assert (first.count("M"), first.count("L")) == (1, 2)
    assert (second.count("M"), second.count("L")) == (2, 1)  # a gap starts a new line
    heights = [float(y) for y in re.findall(r"[ML] \S+ (\S+)", first)]
    np.testing.assert_array_equal(np.argsort(heights), [0, 2, 1])  # larger values are higher up
    assert all(0.0 <= height <= 360.0 for height in heights)


@pytest.mark.parametrize(("count", "marked"), [(4, 4), (400, 0)])
def test_points_are_marked_where_they_are_few_or_stand_alone(count: int, marked: int) -> None:
    alone = np.full(count, NAN)
    alone[1] = 1.0
    drawing = wide(plot_of([1.0] * count, alone.tolist()))
    assert len(list(group_of(drawing, "curve-0").iter(f"{SVG}use"))) == marked
    assert len(list(group_of(drawing, "curve-1").iter(f"{SVG}use"))) == 1


@pytest.mark.parametrize(
    "values",
    [[], [NAN, NAN], [0.0], [5.0, 5.0], [1e-9, 2e-9], [-3e7, 4e7], [0.912, 0.9151], [1e-12, 1e9], [0.0, 1.0]],
)
@pytest.mark.parametrize("log_y", [False, True])
def test_any_numbers_can_be_plotted(values: list[float], log_y: bool) -> None:
    """With at least three different ticks and without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing = wide(plot_of(values, log_y=log_y))
    ticks = texts_of(group_of(drawing, "matplotlib.axis_2"))
    assert 3 <= len(set(ticks)) == len(ticks) <= 12
    assert "nan" not in ElementTree.tostring(drawing, "unicode")


def test_a_logarithmic_plot_counts_in_powers_of_ten() -> None:
    drawing = wide(plot_of([0.01, 1.0, 100.0], log_y=True))
    assert texts_of(group_of(drawing, "matplotlib.axis_2")) == ["0.01", "0.1", "1", "10", "100"]


def test_names_of_curves_are_shown_as_they_are() -> None:
    """Formulas, leading underscores and letters that the bundled font lacks are plain text, without a warning."""
    names = ["_hidden", "$x^2$", "人"]
    curves = {name: (np.arange(2), np.arange(2.0)) for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing = wide(Plot("p", "x", "y", curves))
    assert set(names) <= set(texts_of(drawing))


def test_plots_neither_use_nor_change_the_users_settings_of_matplotlib() -> None:
    import matplotlib

    before = wide(plot_of([1.0, 2.0]))
    matplotlib.rcParams["lines.linewidth"] = 7.0
    try:
        settings = dict(matplotlib.rcParams)
        assert ElementTree.tostring(wide(plot_of([1.0, 2.0]))) == ElementTree.tostring(before)
        assert dict(matplotlib.rcParams) == settings
    finally:
        matplotlib.rcdefaults()


def test_plots_load_nothing() -> None:
    evil = '<script>alert("&")</script>'
    curves = {evil: (np.arange(3), np.array([0.1, NAN, 0.3])), "b": (np.arange(2.0), np.ones(2))}
    for variant in plot_variants(Plot(evil, evil, evil, curves)):
        assert variant.uri.startswith("data:image/svg+xml;base64,")
        for element in drawing_of(variant).iter():
            assert element.tag.removeprefix(SVG) not in {"script", "image", "foreignObject", "metadata"}
            assert not re.search(r"url\(|@import", element.text or "")
            for name, value in element.attrib.items():
                assert not name.endswith("href") or value.startswith("#")
                assert "http" not in value
                assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", value))
