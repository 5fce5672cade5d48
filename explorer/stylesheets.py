"""How cytoscape draws the elements, on a light page and on a dark one."""

import math
from dataclasses import dataclass
from typing import Any

from explorer.looks import icon, list_looks

WIDTH, HEIGHT = 128, 86
_MARGIN = 9
_ICON = 16
_ROUND = 28
"""Radius of the corners of a process."""
FAMILIES = {
    "storage": ("#475569", "#f8fafc", "#94a3b8", "#1e293b"),
    "asset": ("#0f766e", "#f0fdfa", "#2dd4bf", "#0f2f2e"),
    "run": ("#4338ca", "#eef2ff", "#a5b4fc", "#232052"),
    "link": ("#64748b", "#f8fafc", "#94a3b8", "#1b2433"),
    "serving": ("#b45309", "#fffbeb", "#fbbf24", "#3a2708"),
    "model": ("#15803d", "#f0fdf4", "#4ade80", "#0d3320"),
    "setting": ("#6d28d9", "#f5f3ff", "#c4b5fd", "#2e1d57"),
    "report": ("#c2410c", "#fff7ed", "#fb923c", "#42200d"),
}
"""Family → line and fill on a light page, line and fill on a dark one."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a page: `text` on a node's fill, `quiet` for edges, `failed` and `marked` for what stands out."""

    name: str
    page: str
    text: str
    quiet: str
    failed: str
    failed_fill: str
    marked: str


LIGHT = Theme("light", "#ffffff", "#0f172a", "#64748b", "#b91c1c", "#fef2f2", "#1d4ed8")
DARK = Theme("dark", "#0b1220", "#f1f5f9", "#8594ab", "#f87171", "#450a0a", "#7dd3fc")
Stylesheet = list[dict[str, Any]]


def stylesheet(theme: Theme) -> Stylesheet:
    """Return the whole stylesheet of a theme; a rule overrides those before it."""
    return [*_nodes(theme), *_edges(theme), *_states(theme)]


def colours(family: str, theme: Theme) -> tuple[str, str]:
    """Return line and fill of a family."""
    values = FAMILIES[family]
    return (values[0], values[1]) if theme is LIGHT else (values[2], values[3])


def _rounded() -> str:
    """Return the outline of a process: this cytoscape has no shape with corners as round as we choose."""
    points = []
    for corner, (right, below) in enumerate(((1, -1), (1, 1), (-1, 1), (-1, -1))):
        for step in range(9):
            angle = math.pi / 2 * (corner - 1 + step / 8)
            points.append(right * (1 - 2 * _ROUND / WIDTH) + 2 * _ROUND / WIDTH * math.cos(angle))
            points.append(below * (1 - 2 * _ROUND / HEIGHT) + 2 * _ROUND / HEIGHT * math.sin(angle))
    return " ".join(f"{point:.4f}" for point in points)


_PROCESS = {
    "shape": "polygon",
    "shape-polygon-points": _rounded(),
    "text-margin-x": 13 - WIDTH,
    "background-position-x": WIDTH - _ICON - 12,
}


def _nodes(theme: Theme) -> Stylesheet:
    base = {
        "shape": "round-rectangle",
        "width": WIDTH,
        "height": HEIGHT,
        "label": "data(label)",
        "font-family": "system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif",
        "font-size": 14.5,
        "color": theme.text,
        "text-wrap": "wrap",
        "text-max-width": 400,
        "text-valign": "center",
        "text-halign": "right",
        "text-margin-x": _MARGIN - WIDTH,
        "text-justification": "left",
        "line-height": 1.2,
        "border-width": 1.5,
        "background-width": _ICON,
        "background-height": _ICON,
        "background-position-x": WIDTH - _ICON - _MARGIN,
        "background-position-y": 4,
        "background-clip": "none",
        "background-image-containment": "over",
        "overlay-opacity": 0,
    }
    families = []
    for family in FAMILIES:
        line, fill = colours(family, theme)
        families.append(
            {"selector": f".{family}", "style": {"border-color": line, "background-color": fill}},
        )
    for family, name in list_looks():
        line, _ = colours(family, theme)
        families.append({"selector": f".{family}.i-{name}", "style": {"background-image": icon(name, line)}})
    return [
        {"selector": "node", "style": base},
        {"selector": ".process", "style": _PROCESS},
        *families,
        {"selector": ".more", "style": {"border-style": "dotted", "border-width": 2}},
    ]


def _edges(theme: Theme) -> Stylesheet:
    return [
        {
            "selector": "edge",
            "style": {
                "width": 1.5,
                "line-color": theme.quiet,
                "curve-style": "bezier",
                "target-arrow-shape": "triangle",
                "target-arrow-color": theme.quiet,
                "arrow-scale": 0.9,
                "overlay-opacity": 0,
            },
        },
        {"selector": ".indirect", "style": {"line-style": "dashed"}},
    ]


def _states(theme: Theme) -> Stylesheet:
    failed = {"border-color": theme.failed, "background-color": theme.failed_fill, "border-width": 3}
    ring = {"outline-color": theme.marked, "outline-width": 3, "outline-offset": 3}
    return [
        {"selector": ".placeholder", "style": {"border-style": "dashed", "border-width": 2}},
        {"selector": ".failed", "style": failed},
        *(
            {"selector": f".failed.i-{name}", "style": {"background-image": icon(name, theme.failed)}}
            for name in ("play", "stack", "rocket")
        ),
        {"selector": ".centre", "style": {"border-width": 4, "font-weight": "bold"}},
        {"selector": ".faded", "style": {"opacity": 0.3}},
        {
            "selector": "edge.path",
            "style": {"width": 4, "line-color": theme.marked, "target-arrow-color": theme.marked},
        },
        {"selector": "node.path", "style": {"border-width": 4, "border-color": theme.marked}},
        {"selector": "node:selected", "style": ring},
    ]
