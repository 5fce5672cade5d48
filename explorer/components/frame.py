"""What of the page is always there: header, places for the parts, the picture, and what the script needs."""

import dash_cytoscape as cyto
from dash import dcc, html

from explorer.components.buttons import Component, button, wild
from explorer.stylesheets import DARK, LIGHT, stylesheet

LAYOUT = {
    "name": "klay",
    "animate": False,
    "fit": True,
    "padding": 24,
    "klay": {
        "direction": "RIGHT",
        "spacing": 22,
        "inLayerSpacingFactor": 1.0,
        "edgeSpacingFactor": 0.3,
        "nodePlacement": "BRANDES_KOEPF",
        "nodeLayering": "NETWORK_SIMPLEX",
        "thoroughness": 5,
        "borderSpacing": 12,
    },
}
GRAPH = "graph"


def frame() -> Component:
    """Return the layout of the page, before anything is read."""
    return html.Div(
        [
            dcc.Location(id="location", refresh=False),
            dcc.Store(id="gesture"),
            dcc.Store(id="words"),
            dcc.Store(id="taken"),
            dcc.Store(id="theme", data="light"),
            dcc.Store(id="sheets", data={theme.name: stylesheet(theme) for theme in (LIGHT, DARK)}),
            dcc.Store(id="refreshed", data=0),
            dcc.Store(id="drawn", data=None),
            dcc.Download(id="download"),
            html.A("Skip to the list of nodes", href="#", className="skip", id="skip"),
            _header(),
            html.Div(id="toolbar", role="toolbar", className="toolbar", **wild(aria_label="Picture")),
            html.Main(
                [
                    html.Div(id="message", className="message", role="status"),
                    html.Div(id="stage", className="stage", children=_stage()),
                    html.Section(id="health", className="health", hidden=True),
                ]
            ),
            html.Div(id="said", className="only-read", role="status", **wild(aria_live="polite")),
        ],
        className="page",
    )


def _header() -> Component:
    return html.Header(
        [
            html.H1("Lineage"),
            html.Nav(id="views", **wild(aria_label="Views")),
            html.Div(
                [
                    html.Label("Search the catalog", htmlFor="search", className="only-read"),
                    # Made by the page's script: Dash's own field moves the caret of who types fast.
                    html.Div(id="search-slot", className="slot"),
                    html.Ul(id="suggestions", className="suggestions", **wild(aria_label="Suggestions")),
                ],
                className="searching",
                role="search",
            ),
            html.Div(
                [
                    button("Refresh", "refresh", at="header", label="Read everything again"),
                    html.Button("Dark", id="switch", className="button", type="button"),
                ],
                className="right",
            ),
        ]
    )


def _stage() -> Component:
    return [
        html.Div(
            cyto.Cytoscape(
                id=GRAPH,
                elements=[],
                layout=LAYOUT,
                stylesheet=stylesheet(LIGHT),
                style={"width": "100%", "height": "100%", "position": "absolute"},
                minZoom=0.1,
                maxZoom=2.5,
                boxSelectionEnabled=False,
                autoungrabify=True,
                responsive=False,
            ),
            className="canvas",
            role="img",
            id="canvas",
            **wild(aria_label="The lineage, drawn from left to right. The list of nodes has the same in words."),
        ),
        html.Aside(id="panel", className="panel", hidden=True, **wild(aria_label="Details")),
    ]
