"""Lines, boxes and words as SVG. Colours follow the reader's light or dark; nothing is loaded from elsewhere."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from html import escape

Point = tuple[float, float]

WIDTH, MARGIN, INDENT = 1200, 28, 34  # of the picture; the indent is for the numbers of floors and steps
INSIDE = WIDTH - 2 * MARGIN - INDENT

STYLE = """
:root{--paper:#ffffff;--ink:#1f2328;--soft:#57606a;--faint:#d0d7de;--line:#818b98;--box:#f6f8fa;--speaks:#fff8e5;
--speaking:#c69026;--command:#0969da;--tick:#bc4c00}
@media (prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--faint:#30363d;
--line:#7d8590;--box:#161b22;--speaks:#272115;--speaking:#bb8009;--command:#58a6ff;--tick:#f0883e}}
text{font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif;
font-size:10.5px;fill:var(--soft)}
.paper{fill:var(--paper)}.title{font-size:19px;font-weight:600;fill:var(--ink)}.lead{font-size:12.5px}
.name{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:13px;font-weight:600;
fill:var(--ink)}
.floor{font-size:13px;font-weight:600}.room{fill:var(--box);stroke:var(--faint)}
.speaks{fill:var(--speaks);stroke:var(--speaking)}.outside{fill:none;stroke:var(--line);stroke-dasharray:4 3}
.line{fill:none;stroke:var(--line);stroke-width:1.2}.life{stroke:var(--faint);stroke-width:1.2}
.command{--hue:var(--command)}.tick{--hue:var(--tick)}.step{fill:none;stroke:var(--hue);stroke-width:1.6}
.port{stroke-dasharray:6 4}.dot{fill:var(--hue)}
.said{font-size:12px;fill:var(--ink);stroke:var(--paper);stroke-width:4px;paint-order:stroke;stroke-linejoin:round}
.how{font-size:10px;font-style:italic}.number{font-size:11px;fill:var(--hue);font-weight:600}
"""


class Pen:
    """Collects what is drawn, in the order in which it is drawn."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def box(self, left: float, top: float, width: float, height: float, kind: str) -> None:
        self._drawn.append(
            f'<rect class="{kind}" x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" rx="7"/>'
        )

    def dot(self, x: float, y: float, kind: str) -> None:
        self._drawn.append(f'<circle class="{kind}" cx="{x:.0f}" cy="{y:.0f}" r="4.5"/>')

    def path(self, points: str, kind: str, *, head: str = "") -> None:
        end = f' marker-end="url(#{head})"' if head else ""
        self._drawn.append(f'<path class="{kind}" d="{points}"{end}/>')

    def words(self, x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> None:
        attributes = "".join(
            f' {name}="{value}"'
            for name, value in (("class", kind), ("text-anchor", anchor))
            if value not in ("", "start")
        )
        self._drawn.append(f'<text x="{x:.0f}" y="{y:.0f}"{attributes}>{escape(words, quote=False)}</text>')

    def lines(self, x: float, y: float, lines: Sequence[str], *, leading: float, kind: str = "") -> None:
        for number, line in enumerate(lines):
            self.words(x, y + number * leading, line, kind)

    def svg(self, height: float, *, title: str, description: str) -> str:
        """The whole picture, on paper of its own: the page below may be of any colour."""
        heads = "".join(
            _head(name, hue) for name, hue in (("import", "line"), ("command", "command"), ("tick", "tick"))
        )
        size = f'width="{WIDTH}" height="{height:.0f}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            f"<style>{STYLE}</style>",
            f"<defs>{heads}</defs>",
            f'<rect class="paper" {size} rx="12"/>',
            *self._drawn,
            "</svg>\n",
        ]
        return "\n".join(lines)


def curve(points: Sequence[Point]) -> str:
    """A path downwards that leaves and reaches each point upright."""
    parts = [f"M{points[0][0]:.0f} {points[0][1]:.0f}"]
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        middle = (y + to_y) / 2
        parts.append(f"C{x:.0f} {middle:.0f} {to_x:.0f} {middle:.0f} {to_x:.0f} {to_y:.0f}")
    return "".join(parts)


def wrapped(words: str, characters: int) -> list[str]:
    """Words in lines, without the marks of code, which a picture has no use for."""
    return textwrap.wrap(words.replace("`", ""), characters)


def _head(name: str, hue: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0.5L8 4L0 7.5z" style="fill:var(--{hue})"/></marker>'
    )
