"""The panel beside the picture: its tabs, and the list of nodes."""

from dash import html

from explorer.address import COMPARE, DETAILS, LIST, Address
from explorer.elements import describe, shorten
from explorer.node import Node, node_of, order_of
from explorer.parts.buttons import Part, button, wild
from explorer.scene import Scene

_TABS = ((DETAILS, "Details"), (LIST, "List"), (COMPARE, "Compare"))
_NAMES = 6
"""Neighbours named in a row of the list; the others are counted."""


def panel(address: Address, content: Part) -> list[Part]:
    """Put tabs above what the panel shows."""
    tabs = [
        html.Button(
            words,
            className="tab",
            type="button",
            role="tab",
            **wild(
                data_do="tab",
                data_value=tab,
                data_key=f"panel {tab}",
                aria_selected="true" if address.tab == tab else "false",
            ),
        )
        for tab, words in _TABS
    ]
    return [
        html.Div(
            [
                html.Div(tabs, role="tablist", className="tabs", **wild(aria_label="Panel")),
                button("×", "tab", "", at="close", label="Close the panel", style="quiet"),  # noqa: RUF001
            ],
            className="panel-head",
        ),
        html.Div(content, className="panel-body", role="tabpanel", id="panel-body", tabIndex=-1),
    ]


def listing(scene: Scene, address: Address) -> list[Part]:
    """List what is drawn, with what is up- and downstream of each: the picture for whoever does not see it."""
    nodes = sorted((node_of(scene.graph, key) for key in scene.graph), key=order_of)
    return [
        html.P("Enter opens details, arrow keys move, “Centre” puts a node in the middle.", className="hint"),
        html.Ul([_row(scene, node, address) for node in nodes], id="nodes", className="nodes"),
    ]


def _row(scene: Scene, node: Node, address: Address) -> Part:
    before = [node_of(scene.graph, key).name for key in scene.graph.predecessors(node.key)]
    after = [node_of(scene.graph, key).name for key in scene.graph.successors(node.key)]
    actions = [button(shorten(node.name, 44), "select", node.key, at="list", style="link", label=_words(node))]
    if node.qualified_name and node.key != scene.centre.guid:
        centre = button("Centre", "centre", node.qualified_name, at=f"list {node.key}", label=f"Centre {node.name}")
        actions.append(centre)
    return html.Li(
        [
            html.Div(actions, className="row"),
            html.Div(describe(node), className=f"kind {'bad' if node.failed else ''}"),
            *([html.Div(f"from {_several(before)}", className="near")] if before else []),
            *([html.Div(f"to {_several(after)}", className="near")] if after else []),
        ],
        className="current" if node.key in (address.select, scene.centre.guid) else "",
    )


def _words(node: Node) -> str:
    return f"{node.name}, {describe(node)}"


def _several(names: list[str]) -> str:
    """
    >>> _several(["b", "a"])
    'a, b'
    """
    shown = sorted(names)[:_NAMES]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest else "")
