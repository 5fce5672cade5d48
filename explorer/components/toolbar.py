"""The row above the picture: how much is shown, what is left out, exports."""

from collections.abc import Mapping

from dash import html

from explorer.address import ALL, BOTH, DOWN, LIST, UP, Address
from explorer.components.buttons import Component, button, menu, wild
from explorer.scene import Scene

_MODES = ((UP, "Upstream"), (BOTH, "Both sides"), (DOWN, "Downstream"), (ALL, "Everything"))
EXPORTS = ("svg", "png", "mermaid", "csv")
_EXPORT_WORDS = {"svg": "SVG image", "png": "PNG image", "mermaid": "Mermaid", "csv": "CSV of nodes and edges"}


def toolbar(scene: Scene, address: Address) -> list[Component]:
    """Make the row for a picture that is there."""
    return [
        html.Div(
            [button(words, "mode", mode, at="toolbar", pressed=address.mode == mode) for mode, words in _MODES],
            className="segments",
            role="group",
            **wild(aria_label="What of the lineage is shown"),
        ),
        *_pipelines(scene, address),
        _filter(scene, address),
        button("List", "tab", "" if address.tab == LIST else LIST, at="toolbar", pressed=address.tab == LIST),
        menu("Export", [_export(kind) for kind in EXPORTS], name="export"),
        html.Div(
            [_zoom("in", "+", "Zoom in"), _zoom("out", "-", "Zoom out"), _zoom("fit", "Fit", "Fit into the window")],
            className="segments",
            role="group",
            **wild(aria_label="Zoom"),
        ),
        html.Div(_summary(scene, address), className="summary", id="summary"),
    ]


def _pipelines(scene: Scene, address: Address) -> list[Component]:
    closed = [each for each in scene.pipelines if each not in address.fold]
    parts = []
    if closed:
        parts.append(button("Collapse pipelines", "fold", "\n".join(closed), at="toolbar"))
    if address.fold:
        parts.append(button("Open pipelines", "fold", "", at="toolbar"))
    return parts


def _filter(scene: Scene, address: Address) -> Component:
    chosen = len(address.hide) + len(address.status) + bool(address.since) + bool(address.until)
    return menu(
        f"Filter ({chosen})" if chosen else "Filter",
        [
            _chips("Kinds", "hide", scene.kinds, address.hide),
            *([_chips("Status", "status", scene.statuses, address.status)] if scene.statuses else []),
            html.Div(
                [
                    html.Strong("Ran or made"),
                    _day("since", "from", address.since),
                    _day("until", "to", address.until),
                    html.Small("Assets without a time stay."),
                ],
                className="days",
            ),
            button("Show everything", "no_filter", at="filter"),
        ],
        name="filter",
    )


def _chips(title: str, verb: str, counts: Mapping[str, int], hidden: tuple[str, ...]) -> Component:
    return html.Div(
        [html.Strong(title)]
        + [
            button(f"{word} {count}", verb, word, at="filter", pressed=word not in hidden, style="chip")
            for word, count in sorted(counts.items())
        ],
        className="chips",
        role="group",
        **wild(aria_label=title),
    )


def _day(name: str, words: str, value: str) -> Component:
    """Make the place of a field for a day; Dash has none, so that the page's script makes it."""
    return html.Label([words, html.Span(className="slot", **wild(data_day=name, data_given=value))])


def _export(kind: str) -> Component:
    return html.Button(_EXPORT_WORDS[kind], className="button", type="button", **wild(data_export=kind, data_key=kind))


def _zoom(name: str, words: str, label: str) -> Component:
    return html.Button(words, className="button", type="button", **wild(data_zoom=name, aria_label=label))


def _summary(scene: Scene, address: Address) -> list[Component]:
    words: list[Component] = []
    if address.start or address.end:
        words += [
            html.Span(
                f"{len(scene.between.nodes)} nodes on the paths"
                if scene.between.nodes
                else "No path between them"
                if address.start and address.end
                else "Now choose the other end of the path"
            ),
            button("Clear path", "no_path", at="summary"),
        ]
    page = scene.page
    if page.count > 1:
        words += [
            button("Back", "page", str(max(page.number - 1, 0)), at="before", label="Previous page"),
            html.Span(f"page {page.number + 1} of {page.count}{'+' if scene.partial else ''}"),
            button("On", "page", str(min(page.number + 1, page.count - 1)), at="after", label="Next page"),
        ]
    of = f"{'at least ' if scene.partial else ''}{scene.total:,}"
    shown = sum(scene.graph.nodes[key]["node"].kind.word != "more" for key in scene.graph)
    return [*words, html.Span(f"{shown:,} of {of} nodes")]
