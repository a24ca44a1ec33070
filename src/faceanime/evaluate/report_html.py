"""The pieces of a page that loads nothing: its frame and style, charts as SVG, pictures and films as data URIs.

Every text that comes in is plain and becomes HTML here; only the `body` of a page is HTML already.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
from jaxtyping import Bool, Float64, Real
from PIL import Image

from faceanime.structures.frames import Pixels

Curves = Mapping[str, tuple[Real[np.ndarray, " _"], Real[np.ndarray, " _"]]]  # by name: x and y

_LARGEST_PNG_BYTES = 1_000_000
_JPEG_QUALITY = 90
_WIDTH, _HEIGHT, _TOP, _RIGHT, _BOTTOM = 640, 320, 10, 14, 34
_CHARACTER = 11  # the width of a digit as phones show it, where the writing is larger
_HUES = 6
_DASHES = ("", "7 4", "2 4")
_MOST_DOTS = 40

_STYLE = """
:root {
  color-scheme: light dark;
  --page: #fff; --ink: #1b2127; --soft: #5b6671; --rule: #d8dde2; --faint: #f5f7f8; --accent: #0a5a8a;
  --hue0: #1f6fb2; --hue1: #c8501a; --hue2: #25855a; --hue3: #8c4aa5; --hue4: #a67c00; --hue5: #66707a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181b; --ink: #e3e6e9; --soft: #98a3ad; --rule: #343c43; --faint: #1c2226; --accent: #82c4ee;
    --hue0: #6cb2ea; --hue1: #f0935f; --hue2: #63c596; --hue3: #c792dc; --hue4: #dcb950; --hue5: #a3adb6;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 3.5rem 1.5rem 6rem; max-width: 68rem; background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; font-variant-numeric: tabular-nums;
  -webkit-text-size-adjust: 100%; text-size-adjust: 100%;
}
h1, h2, h3 { line-height: 1.25; font-weight: 600; text-wrap: balance; overflow-wrap: anywhere; }
h1 { margin: 0 0 1.25rem; font-size: 2rem; letter-spacing: -0.015em; }
h2 { margin: 0 0 0.75rem; font-size: 1.375rem; letter-spacing: -0.01em; }
h3 { margin: 0 0 0.6rem; font-size: 1.0625rem; }
section { margin-top: 2.75rem; }
section.chapter { margin-top: 4.5rem; padding-top: 1.5rem; border-top: 1px solid var(--rule); }
main > .chapter:first-child { margin-top: 2.75rem; padding-top: 0; border: 0; }
section.chapter + section { margin-top: 1.75rem; }
p { margin: 0 0 1rem; max-width: 44rem; white-space: pre-line; overflow-wrap: anywhere; }
.note { margin: 0.7rem 0 0; color: var(--soft); font-size: 0.875rem; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
pre {
  margin: 0 0 1rem; padding: 0.75rem 1rem; border-radius: 6px; background: var(--faint);
  font: 0.8125rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
}
summary { width: fit-content; color: var(--soft); font-size: 0.875rem; cursor: pointer; }
details pre { margin-top: 0.6rem; }
nav { margin-top: 2rem; padding: 0.9rem 0; border: solid var(--rule); border-width: 1px 0; font-size: 0.9375rem; }
nav ul { margin: 0; padding: 0; list-style: none; }
nav > ul { columns: 20rem; column-gap: 2.5rem; }
nav li { padding: 0.1rem 0; overflow-wrap: anywhere; }
nav > ul > li { break-inside: avoid; }
nav > ul > li:has(ul) > a { font-weight: 600; }
nav ul ul { padding-left: 1rem; }
.scroll { overflow-x: auto; }
table { border-spacing: 0; border: solid var(--ink); border-width: 1.5px 0; font-size: 0.9375rem; }
caption {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
th, td { padding: 0.4rem 0 0.4rem 2rem; text-align: right; vertical-align: baseline; white-space: nowrap; }
thead tr > * { border-bottom: 1px solid var(--ink); font-size: 0.875rem; vertical-align: bottom; }
thead th { font-weight: 600; }
tbody tr + tr > * { border-top: 1px solid var(--rule); }
tr > :first-child { position: sticky; left: 0; padding-left: 0; background: var(--page); text-align: left; }
tbody th { max-width: 24rem; font-weight: 400; white-space: normal; overflow-wrap: break-word; }
.text { text-align: left; }
td.text { max-width: 28rem; white-space: normal; }
td strong { color: var(--accent); font-weight: 700; }
td small { display: block; color: var(--soft); font-size: 0.75rem; line-height: 1.3; }
.way { color: var(--soft); font-weight: 400; }
figure { margin: 0; }
figure.chart { max-width: 42rem; }
img, video { display: block; max-width: 100%; height: auto; border-radius: 4px; }
video { min-width: min(24rem, 100%); max-height: 36rem; background: var(--faint); }
.chart ul {
  display: flex; flex-wrap: wrap; gap: 0.2rem 1.4rem; margin: 0 0 0.75rem; padding: 0; list-style: none;
  font-size: 0.875rem;
}
.chart li { display: flex; align-items: center; gap: 0.5rem; overflow-wrap: anywhere; }
.chart li svg { flex: none; width: 1.75rem; height: 0.75rem; }
.chart > svg { display: block; width: 100%; height: auto; overflow: visible; }
.axis { margin: 0; max-width: none; color: var(--soft); font-size: 0.8125rem; }
.axis.x { text-align: right; }
.grid { stroke: var(--rule); }
.base { stroke: var(--soft); }
text { fill: var(--soft); font-size: 12.5px; }
.curve { fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; }
.dots { fill: currentColor; stroke: none; }
HUES
@media (max-width: 36rem) {
  body { padding: 1.75rem 1rem 4rem; }
  h1 { font-size: 1.5rem; }
  h2 { font-size: 1.25rem; }
  th, td { padding-left: 1.25rem; }
  tbody th { max-width: 8rem; }
  td.text { min-width: 12rem; }
  text { font-size: 20px; }
  .curve { stroke-width: 3; }
}
@media print {
  section, tr, figure { break-inside: avoid; }
}
""".strip().replace("HUES", "\n".join(f".hue{i} {{ color: var(--hue{i}); }}" for i in range(_HUES)))

# The policy holds the page to its word: no script, nothing from anywhere.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(title: str, body: str) -> str:
    """A whole page."""
    return _PAGE.format(title=escape(title), style=_STYLE, body=body)


def picture(pixels: Pixels, name: str) -> str:
    """A picture: as PNG, or as JPEG where that would be larger than a megabyte."""
    kind, data = "png", _encoded(pixels, "PNG")
    if len(data) > _LARGEST_PNG_BYTES:
        kind, data = "jpeg", _encoded(pixels, "JPEG", quality=_JPEG_QUALITY, subsampling="4:4:4")
    height, width = pixels.shape[:2]
    return f'<img src="{_data_uri(f"image/{kind}", data)}" alt="{escape(name)}" width="{width}" height="{height}">'


def film(mp4: bytes, name: str) -> str:
    """A film that runs in a loop, without sound until the reader wants it."""
    source = _data_uri("video/mp4", mp4)
    return (
        f'<video src="{source}" aria-label="{escape(name)}" controls loop muted playsinline '
        'preload="metadata"></video>'
    )


def _encoded(pixels: Pixels, kind: str, **options: int | str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


@dataclass(frozen=True)
class _Axis:
    """From numbers to 0..1; logarithmic axes know no number that is not positive."""

    low: float
    high: float
    is_log: bool

    @classmethod
    def around(cls, values: Float64[np.ndarray, " _"], margin: float, is_log: bool = False) -> _Axis:
        """The axis that shows all these values, with a margin at both ends as a part of their span."""
        drawn = values[_drawable(values, is_log)]
        if not len(drawn):
            return cls(0.0, 1.0, False)
        ends = np.array([drawn.min(), drawn.max()])
        low, high = (np.log10(ends) if is_log else ends).tolist()
        if low == high:
            half = 0.5 if is_log or low == 0.0 else abs(low) / 2
            return cls(low - half, high + half, is_log)
        return cls(low - margin * (high - low), high + margin * (high - low), is_log)

    def place(self, values: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
        """Where values lie; NaN for what cannot be drawn."""
        drawn = np.where(_drawable(values, self.is_log), values, np.nan)
        return ((np.log10(drawn) if self.is_log else drawn) - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers on the axis, three to seven or so, each with its place and how it is written."""
        numbers, written = self._decades() if self.is_log else _round_numbers(self.low, self.high)
        return list(zip(self.place(np.array(numbers)).tolist(), written, strict=True))

    def _decades(self) -> tuple[list[float], list[str]]:
        """Powers of ten; where there are hardly any, 2 and 5 between them; within one, as on any axis."""
        first, last = math.floor(self.low), math.ceil(self.high)
        stride = math.ceil((last - first) / 7)
        for factors in ((1,), (1, 2, 5)):
            numbers = [f * 10.0**power for power in range(first, last + 1, stride) for f in factors]
            inside = [n for n in numbers if self.low <= math.log10(n) <= self.high]
            if len(inside) >= 3:
                return inside, [f"{number:g}" for number in inside]
        return _round_numbers(10.0**self.low, 10.0**self.high)


def _drawable(values: Float64[np.ndarray, " N"], is_log: bool) -> Bool[np.ndarray, " N"]:
    return np.isfinite(values) & (values > 0.0) if is_log else np.isfinite(values)


def _round_numbers(low: float, high: float) -> tuple[list[float], list[str]]:
    """Multiples of 1, 2 or 5 times a power of ten, as written with the digits they need."""
    raw = (high - low) / 5.0
    power = math.floor(math.log10(raw))
    step = next(f for f in (1, 2, 5, 10) if f * 10.0**power >= raw * 0.8) * 10.0**power
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    numbers = [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    return numbers, [f"{number:z,.{digits}f}".replace("-", "\N{MINUS SIGN}") for number in numbers]


def chart(name: str, x_label: str, y_label: str, curves: Curves, log_y: bool) -> str:
    """Curves over one pair of axes, with a legend where there are several; gaps where a value is not finite."""
    series = [(key, x.astype(np.float64), y.astype(np.float64)) for key, (x, y) in curves.items()]
    none = [np.zeros(0)]
    across = _Axis.around(np.concatenate([x for _, x, _ in series] or none), 0.02)
    upward = _Axis.around(np.concatenate([y for _, _, y in series] or none), 0.06, log_y)
    steps = upward.ticks()
    left = _CHARACTER * max((len(written) for _, written in steps), default=0) + 8
    wide, high = _WIDTH - left - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    parts = [f'<path class="base" d="M{left} {_TOP + high}h{wide}"/>']
    for part, written in steps:
        y = _TOP + (1.0 - part) * high
        parts.append(f'<path class="grid" d="M{left} {y:.1f}h{wide}"/>')
        parts.append(f'<text x="{left - 8}" y="{y:.1f}" dy="0.35em" text-anchor="end">{written}</text>')
    for part, written in across.ticks():
        x = left + part * wide
        parts.append(f'<path class="base" d="M{x:.1f} {_TOP + high}v5"/>')
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{written}</text>')
    for i, (key, xs, ys) in enumerate(series):
        places = np.stack([left + across.place(xs) * wide, _TOP + (1.0 - upward.place(ys)) * high], axis=1)
        parts.append(f'<g class="hue{i % _HUES}"><title>{escape(key)}</title>{_curve(places, i)}</g>')
    drawing = "\n".join(parts)
    label = escape(f"{name}: {y_label} over {x_label}")
    return (
        f'<figure class="chart">\n{_legend([key for key, _, _ in series])}<p class="axis">{escape(y_label)}</p>\n'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">\n{drawing}\n</svg>\n'
        f'<p class="axis x">{escape(x_label)}</p>\n</figure>'
    )


def _curve(places: Float64[np.ndarray, "N 2"], index: int) -> str:
    """A line through all places but the gaps, and a dot on each where they are few."""
    seen = np.isfinite(places).all(axis=1)
    d = "".join(
        f"L{x:.1f} {y:.1f}" if i and seen[i - 1] else f"M{x:.1f} {y:.1f}h0"  # h0: shows a place between gaps
        for i, (x, y) in enumerate(places)
        if seen[i]
    )
    line = f'<path class="curve"{_dash(index)} d="{d}"/>'
    if len(places) > _MOST_DOTS:
        return line
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places[seen])
    return f'{line}<g class="dots">{dots}</g>'


def _legend(names: list[str]) -> str:
    if len(names) < 2:
        return ""
    items = "\n".join(
        f'<li><svg class="hue{i % _HUES}" viewBox="0 0 28 12" aria-hidden="true">'
        f'<path class="curve"{_dash(i)} d="M2 6h24"/></svg>{escape(name)}</li>'
        for i, name in enumerate(names)
    )
    return f"<ul>\n{items}\n</ul>\n"


def _dash(index: int) -> str:
    """More curves than hues are told apart by dashes."""
    dash = _DASHES[index // _HUES % len(_DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""
