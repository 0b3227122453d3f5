"""Charts as SVG, written by hand: bars, ranges and lines, readable in light and in dark, wide and on a phone.

A chart is a panel of its own colours, so that it can be read on any page; it is as wide as a phone, and its text
as large as the page's. HyperHTTP is marked by colour and weight, floors are outlines. Each has a title and a text
with its figures for those who do not see it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from report import number
from scenarios import CLIENTS, SUBJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 400
LEFT = 116  # where the plot begins: room for the longest name
RIGHT = 338  # where it ends: room for a figure
ROW = 22
TOP = 62
STYLE = """
svg { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.panel { fill: #ffffff; stroke: #d8dee4; } text { fill: #1f2328; } .muted { fill: #59636e; font-size: 11.5px; }
.title { font-size: 14px; font-weight: 600; } .long { font-size: 12px; }
.ours { font-weight: 700; } .grid { stroke: #d8dee4; fill: none; }
.subject { fill: #0b5fc0; stroke: #0b5fc0; } .peer { fill: #a3afbb; stroke: #a3afbb; }
.floor { fill: none; stroke: #59636e; stroke-dasharray: 3 2; } .mark { stroke-dasharray: none; }
.line { fill: none; stroke-width: 1.6; } .line.subject { stroke-width: 3.2; fill: none; }
.c0 { stroke: #c2410c; fill: #c2410c; } .c1 { stroke: #15803d; fill: #15803d; } .c2 { stroke: #a21caf; fill: #a21caf; }
.c3 { stroke: #a16207; fill: #a16207; } .c4 { stroke: #0e7490; fill: #0e7490; } .c5 { stroke: #be123c; fill: #be123c; }
.line.c0, .line.c1, .line.c2, .line.c3, .line.c4, .line.c5 { fill: none; }
@media (prefers-color-scheme: dark) {
.panel { fill: #12161c; stroke: #353c45; } text { fill: #e6edf3; } .muted { fill: #a3adb8; } .grid { stroke: #353c45; }
.subject { fill: #5aa9ff; stroke: #5aa9ff; } .peer { fill: #5b6672; stroke: #5b6672; } .floor { stroke: #a3adb8; }
.c0 { stroke: #fb923c; fill: #fb923c; } .c1 { stroke: #4ade80; fill: #4ade80; } .c2 { stroke: #e879f9; fill: #e879f9; }
.c3 { stroke: #facc15; fill: #facc15; } .c4 { stroke: #22d3ee; fill: #22d3ee; } .c5 { stroke: #fb7185; fill: #fb7185; }
.line.subject, .line.c0, .line.c1, .line.c2, .line.c3, .line.c4, .line.c5 { fill: none; }
}
"""


@dataclass
class Drawing:
    """The elements of a chart.

    Attributes:
        title: what is shown.
        about: the same and the figures, as a text.
        height: set when everything else is known.
    """

    title: str
    about: str
    height: float = 0
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, style: str = "", anchor: str = "start") -> None:
        """Words; a name of a style, or several."""
        self.parts.append(f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>')

    def box(self, x: float, y: float, width: float, height: float, style: str) -> None:
        """A rectangle."""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" class="{style}"/>'
        )

    def path(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """A line through points."""
        steps = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.parts.append(f'<path d="M{steps}" class="{style}"/>')

    def dot(self, x: float, y: float, radius: float, style: str) -> None:
        """A filled circle."""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{style}"/>')

    def svg(self) -> str:
        """The file."""
        return "\n".join(
            [
                (
                    f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height:.0f}" '
                    f'viewBox="0 0 {WIDTH} {self.height:.0f}" role="img" aria-labelledby="t d">'
                ),
                f'<title id="t">{escape(self.title)}</title><desc id="d">{escape(self.about)}</desc>',
                f"<style>{STYLE}</style>",
                f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{self.height - 1:.0f}" rx="6" class="panel"/>',
                *self.parts,
                "</svg>",
                "",
            ]
        )


@dataclass(frozen=True)
class Scale:
    """Where a figure lies between two places."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The place of a figure."""
        low, high, value = (math.log10(each) if self.logarithmic else each for each in (self.low, self.high, value))
        return self.start + (value - low) / ((high - low) or 1) * (self.end - self.start)


def steps(high: float, wanted: int = 4) -> list[float]:
    """Round figures from nothing to at least ``high``."""
    size = 10 ** math.floor(math.log10(high / wanted)) if high > 0 else 1
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor * wanted >= high)
    return [step * index for index in range(math.ceil(high / step - 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each power of ten around two figures; only the powers where that would be many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    marks = [10.0**power * factor for power in range(first, last + 1) for factor in (1, 2, 5)]
    begin = max((mark for mark in marks if mark <= low), default=marks[0])
    end = min((mark for mark in marks if mark >= high), default=marks[-1])
    kept = [mark for mark in marks if begin <= mark <= end]
    if len(kept) > 6:
        kept = [mark for mark in kept if mark in (begin, end) or math.isclose(math.log10(mark) % 1, 0, abs_tol=1e-9)]
    return kept


def kind(client: str) -> str:
    """How a client is marked."""
    if client.startswith(SUBJECT):
        return "subject"
    return "floor" if CLIENTS[client].floor else "peer"


def short(value: float) -> str:
    """A figure for an axis: 20k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def head(drawing: Drawing, title: str, axis: str) -> None:
    """The title, and what the axis shows."""
    drawing.text(14, 24, title, "title" if len(title) < 44 else "title long")
    drawing.text(14, 43, axis, "muted")


def grid(drawing: Drawing, marks: Sequence[float], scale: Scale, bottom: float) -> None:
    """Vertical lines with their figures below."""
    last = -math.inf
    for mark in marks:
        x = scale(mark)
        drawing.path([(x, TOP - 6), (x, bottom)], "grid")
        if x - last > 30:
            drawing.text(x, bottom + 15, short(mark), "muted", "middle")
            last = x


def names(drawing: Drawing, clients: Sequence[str]) -> None:
    """A name for each row."""
    for index, client in enumerate(clients):
        style = "ours" if client == SUBJECT else "muted" if kind(client) == "floor" else ""
        drawing.text(LEFT - 8, TOP + index * ROW + 13, client, style, "end")


def legend(drawing: Drawing, clients: Sequence[str], y: float, remark: str) -> None:
    """What the marks mean."""
    x = 14.0
    words = {"subject": "HyperHTTP", "peer": "other clients", "floor": "floor: no client, a measure"}
    for style in [style for style in words if any(kind(client) == style for client in clients)]:
        drawing.box(x, y - 9, 11, 10, style)
        drawing.text(x + 16, y, words[style], "muted")
        x += 32 + 6.4 * len(words[style])
    if remark:
        drawing.text(14, y + 17, remark, "muted")
    drawing.height = y + (30 if remark else 13)


def bars(title: str, axis: str, figures: dict[str, float], digits: int, limited: Sequence[str] = ()) -> str:
    """A bar for each client, in the order given.

    Args:
        title: what is shown.
        axis: the unit, and which direction is good.
        figures: by client.
        digits: of the figures.
        limited: clients whose figure the server bounded; they are marked.
    """
    told = "; ".join(f"{client} {number(value, digits)}" for client, value in figures.items())
    drawing = Drawing(title, f"{axis}. {told}.")
    head(drawing, title, axis)
    marks = steps(max(figures.values()))
    scale = Scale(0, marks[-1], LEFT, RIGHT)
    bottom = TOP + len(figures) * ROW
    grid(drawing, marks, scale, bottom)
    names(drawing, list(figures))
    for index, (client, value) in enumerate(figures.items()):
        y = TOP + index * ROW
        drawing.box(LEFT, y + 2, max(scale(value) - LEFT, 1), ROW - 7, kind(client))
        star = "*" if client in limited else ""
        style = "ours" if kind(client) == "subject" else "muted"
        drawing.text(max(scale(value), LEFT) + 5, y + 13, number(value, digits) + star, style)
    starred = any(client in limited for client in figures)
    legend(drawing, list(figures), bottom + 38, "* the server was the limit: see CPU time" if starred else "")
    return drawing.svg()


PERCENTILES = ("p50", "p95", "p99")


def ranges(title: str, axis: str, figures: dict[str, tuple[float, float, float]]) -> str:
    """From the median to the 99th percentile, on a logarithmic axis, a row for each client."""
    told = "; ".join(f"{client} {' / '.join(number(one, 2) for one in each)}" for client, each in figures.items())
    drawing = Drawing(title, f"{axis}; p50 / p95 / p99. {told}.")
    head(drawing, title, axis)
    values = [value for each in figures.values() for value in each if value > 0]
    marks = decades(min(values), max(values))
    scale = Scale(marks[0], marks[-1], LEFT, RIGHT, logarithmic=True)
    bottom = TOP + len(figures) * ROW
    grid(drawing, marks, scale, bottom)
    names(drawing, list(figures))
    for index, (client, each) in enumerate(figures.items()):
        y, style = TOP + index * ROW + 9, kind(client)
        percentiles(drawing, [scale(value) for value in each], y, style)
        drawing.text(
            scale(each[-1]) + 9,
            y + 4,
            number(each[-1], 2 if each[-1] < 10 else 1),
            "ours" if style == "subject" else "muted",
        )
    y = bottom + 38
    percentiles(drawing, [20, 60, 100], y - 4, "peer")
    drawing.text(112, y, "median, 95 %, 99 % (its figure beside it)", "muted")
    legend(drawing, list(figures), y + 18, "")
    return drawing.svg()


def percentiles(drawing: Drawing, places: Sequence[float], y: float, style: str) -> None:
    """A line with three marks: a dot, a bar, a square."""
    drawing.path([(places[0], y), (places[-1], y)], style)
    drawing.dot(places[0], y, 4, f"{style} mark")
    drawing.box(places[1] - 1, y - 5, 2, 10, f"{style} mark")
    drawing.box(places[2] - 4, y - 4, 8, 8, f"{style} mark")


def lines(title: str, axis: str, across: Sequence[str], figures: dict[str, Sequence[float | None]]) -> str:
    """A line for each client over steps of equal width, on a logarithmic axis."""
    told = "; ".join(f"{client} {', '.join(number(value, 0) for value in each)}" for client, each in figures.items())
    drawing = Drawing(title, f"{axis}, at {', '.join(across)}. {told}.")
    head(drawing, title, axis)
    values = [value for each in figures.values() for value in each if value]
    marks = decades(min(values), max(values))
    bottom = TOP + 230
    up = Scale(marks[0], marks[-1], bottom, TOP, logarithmic=True)
    along = Scale(0, max(len(across) - 1, 1), 70, WIDTH - 50)
    for mark in marks:
        drawing.path([(52, up(mark)), (WIDTH - 20, up(mark))], "grid")
        drawing.text(46, up(mark) + 4, short(mark), "muted", "end")
    for index, name in enumerate(across):
        drawing.text(along(index), bottom + 17, name, "muted", "middle")
    drawing.text(WIDTH / 2, bottom + 35, "requests under way at a time", "muted", "middle")
    others = [client for client in figures if kind(client) == "peer"]
    for client in sorted(figures, key=lambda name: name == SUBJECT):  # ours above the others
        style = f"c{others.index(client) % 6}" if client in others else kind(client)
        points = [(along(index), up(value)) for index, value in enumerate(figures[client]) if value]
        drawing.path(points, f"line {style}")
        for x, y in points:
            drawing.dot(x, y, 4 if client == SUBJECT else 3, f"{style} mark")
    key(drawing, figures, others, bottom + 58)
    return drawing.svg()


def key(drawing: Drawing, figures: dict[str, Sequence[float | None]], others: list[str], y: float) -> None:
    """The legend of a chart of lines: a swatch for each."""
    for index, client in enumerate(figures):
        x, line = 16 + index % 3 * 126, y + index // 3 * 19
        style = f"c{others.index(client) % 6}" if client in others else kind(client)
        drawing.path([(x, line - 4), (x + 22, line - 4)], f"line {style}")
        drawing.dot(x + 11, line - 4, 3, f"{style} mark")
        drawing.text(x + 28, line, client, "ours" if client == SUBJECT else "muted")
    drawing.height = y + (len(figures) - 1) // 3 * 19 + 14
