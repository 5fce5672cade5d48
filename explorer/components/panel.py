"""The panel beside the picture: its tabs, what is known of one node, the list of nodes, two model versions compared."""

from collections.abc import Iterable

from dash import html

from explorer.address import COMPARE, DETAILS, LIST, Address
from explorer.components.buttons import Component, button, wild
from explorer.details import Details, Section
from explorer.formats import describe, shorten
from explorer.node import Node, node_of, order_of
from explorer.scene import Scene
from questions.diff import SECTIONS, Difference

_TABS = ((DETAILS, "Details"), (LIST, "List"), (COMPARE, "Compare"))
_OPEN = ("Metrics", "Settings", "Tags", "Attributes")
"""Sections that are open at first."""
_NAMES = 6
"""Neighbours named in a row of the list; the others are counted."""


def panel(address: Address, content: Component) -> list[Component]:
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


def listing(scene: Scene, address: Address) -> list[Component]:
    """List what is drawn, with what is up- and downstream of each: the picture in words."""
    nodes = sorted((node_of(scene.graph, key) for key in scene.graph), key=order_of)
    return [
        html.P("Enter opens details, arrow keys move, “Centre” puts a node in the middle.", className="advice"),
        html.Ul([_row(scene, node, address) for node in nodes], id="nodes", className="nodes"),
    ]


def _row(scene: Scene, node: Node, address: Address) -> Component:
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


def facts(details: Details, address: Address) -> list[Component]:
    """Show an asset: what can be done with it, and everything that is known of it."""
    asset, node = details.asset, Node.of(details.asset)
    guid = asset.guid
    return [
        html.H2(node.name, className="title"),
        html.P([node.kind.word, *_status(node), *_labels(details)], className="kind"),
        html.P(str(asset.qualified_name), className="name"),
        html.Div(
            [
                button("Centre here", "centre", str(asset.qualified_name), at="facts"),
                _side("up", "upstream", guid, address),
                _side("down", "downstream", guid, address),
                button("Path from here", "start", guid, at="facts", pressed=address.start == guid),
                button("Path to here", "end", guid, at="facts", pressed=address.end == guid),
                *([button("Collapse pipeline", "fold", node.pipeline, at="facts")] if node.pipeline else []),
            ],
            className="actions",
        ),
        *[
            html.P([html.Strong("Contains data classified as "), f"{name}: {', '.join(sources)}"], className="warning")
            for name, sources in details.contains
        ],
        html.P(
            [html.A(words, href=url, target="_blank", rel="noopener noreferrer") for words, url in details.links],
            className="links",
        ),
        *_versions(details, address),
        *[_section_table(section) for section in details.sections],
    ]


def pipeline_facts(scene: Scene, node: Node) -> list[Component]:
    """Show a node that stands for a pipeline."""
    return [
        html.H2(node.name, className="title"),
        html.P(describe(node), className="kind"),
        html.Div([button("Open pipeline", "unfold", node.key, at="facts")], className="actions"),
        html.P(f"Comes from {_names(scene, scene.graph.predecessors(node.key))}."),
        html.P(f"Goes to {_names(scene, scene.graph.successors(node.key))}."),
    ]


def _names(scene: Scene, keys: object) -> str:
    return ", ".join(sorted(node_of(scene.graph, key).name for key in list(keys))) or "nothing"  # type: ignore[call-overload]


def _side(side: str, words: str, guid: str, address: Address) -> Component:
    value = f"{guid}.{side}"
    return html.Div(
        [
            button(f"Expand {words}", "open", value, at="facts", pressed=value in address.open),
            button(f"Hide {words}", "shut", value, at="facts", pressed=value in address.shut),
        ],
        className="segments",
    )


def _status(node: Node) -> list[Component]:
    return [", ", html.Span(node.status, className="bad" if node.failed else "")] if node.status else []


def _labels(details: Details) -> list[Component]:
    own = [html.Span(name, className="badge") for name in details.asset.labels]
    return own + [html.Span(name, className="badge secret") for name in details.asset.classifications]


def _versions(details: Details, address: Address) -> list[Component]:
    rows = []
    for version in details.versions:
        row: list[Component] = [
            html.Strong(version.name)
            if version.guid == details.asset.guid
            else button(version.name, "centre", version.qualified_name, at="versions", style="link")
        ]
        if details.comparable and version.guid != details.asset.guid:
            row.append(button("Compare", "against", version.guid, at="versions", label=f"Compare with {version.name}"))
        rows.append(html.Li(row, className="row"))
    return [html.H3("Versions"), html.Ul(rows, className="versions")] if rows else []


def _section_table(section: Section) -> Component:
    rows = [html.Tr([html.Th(name, scope="row"), html.Td(value)]) for name, value in section.rows]
    return html.Details(
        [html.Summary(f"{section.title} ({len(rows)})"), html.Table(html.Tbody(rows), className="values")],
        open=section.title in _OPEN,
    )


def comparison(details: Details | None, against: str, differences: Iterable[Difference]) -> list[Component]:
    """Show what changed between the selected model version and another, the older one first."""
    if details is None or not details.comparable:
        return [html.P("Select a model that has several versions, then “Compare” beside one of them.")]
    others = [version for version in details.versions if version.guid != details.asset.guid]
    choice = html.Div(
        [html.Span(f"{details.asset.name} with")]
        + [
            button(version.name, "against", version.guid, at="compare", pressed=version.guid == against)
            for version in others
        ],
        className="actions",
    )
    names = {version.guid: version.name for version in details.versions}
    if against not in names:
        return [html.H2("Compare", className="title"), choice]
    found = list(differences)
    if not found:
        return [html.H2("Compare", className="title"), choice, html.P("Nothing of what is recorded differs.")]
    before, after = in_order(details, against)
    tables = [
        _difference_table(section, names[before], names[after], rows)
        for section in SECTIONS
        if (rows := [each for each in found if each.section == section])
    ]
    return [html.H2("What changed", className="title"), choice, *tables]


def in_order(details: Details, against: str) -> tuple[str, str]:
    """Return the guids of the two versions, the older one first."""
    order = [version.guid for version in details.versions]
    first, second = sorted((details.asset.guid, against), key=order.index, reverse=True)
    return first, second


def _difference_table(section: str, before: str, after: str, differences: list[Difference]) -> Component:
    head = html.Tr(
        [html.Th(section.capitalize(), scope="col"), html.Th(before, scope="col"), html.Th(after, scope="col")]
    )
    rows = [
        html.Tr([html.Th(each.name, scope="row"), _cell(each.before, "old"), _cell(each.after, "new")])
        for each in differences
    ]
    return html.Table([html.Thead(head), html.Tbody(rows)], className="changes")


def _cell(value: str, style: str) -> Component:
    return html.Td(value or "–", className=style if value else "none")  # noqa: RUF001
