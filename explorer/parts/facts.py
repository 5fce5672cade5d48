"""What the panel says of one node."""

from dash import html

from explorer.address import Address
from explorer.details import Details, Section
from explorer.elements import describe
from explorer.node import Node, node_of
from explorer.parts.buttons import Part, button
from explorer.scene import Scene

_OPEN = ("Metrics", "Settings", "Tags", "Attributes")


def facts(details: Details, address: Address) -> list[Part]:
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
        *[_table(section) for section in details.sections],
    ]


def pipeline_facts(scene: Scene, node: Node) -> list[Part]:
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


def _side(side: str, words: str, guid: str, address: Address) -> Part:
    value = f"{guid}.{side}"
    return html.Div(
        [
            button(f"Expand {words}", "open", value, at="facts", pressed=value in address.open),
            button(f"Hide {words}", "shut", value, at="facts", pressed=value in address.shut),
        ],
        className="segments",
    )


def _status(node: Node) -> list[Part]:
    return [", ", html.Span(node.status, className="bad" if node.failed else "")] if node.status else []


def _labels(details: Details) -> list[Part]:
    own = [html.Span(name, className="badge") for name in details.asset.labels]
    return own + [html.Span(name, className="badge secret") for name in details.asset.classifications]


def _versions(details: Details, address: Address) -> list[Part]:
    rows = []
    for version in details.versions:
        row: list[Part] = [
            html.Strong(version.name)
            if version.guid == details.asset.guid
            else button(version.name, "centre", version.qualified_name, at="versions", style="link")
        ]
        if details.comparable and version.guid != details.asset.guid:
            row.append(button("Compare", "against", version.guid, at="versions", label=f"Compare with {version.name}"))
        rows.append(html.Li(row, className="row"))
    return [html.H3("Versions"), html.Ul(rows, className="versions")] if rows else []


def _table(section: Section) -> Part:
    rows = [html.Tr([html.Th(name, scope="row"), html.Td(value)]) for name, value in section.rows]
    return html.Details(
        [html.Summary(f"{section.title} ({len(rows)})"), html.Table(html.Tbody(rows), className="values")],
        open=section.title in _OPEN,
    )
