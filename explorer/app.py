"""The Dash application: which component of the page answers to which change."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dash_cytoscape as cyto
from dash import ClientsideFunction, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from explorer.address import HEALTH, Address
from explorer.components.frame import GRAPH, frame
from explorer.presenter import Presenter
from explorer.reading import Reading

_FILES = {"mermaid": "lineage.mmd", "csv": "lineage.csv"}


def build_app(reading: Reading) -> Dash:
    """Build the page over a catalog. All scripts and styles come from this process."""
    cyto.load_extra_layouts()
    app = Dash(
        __name__,
        assets_folder=str(Path(__file__).parent / "assets"),
        serve_locally=True,
        title="Lineage",
        update_title="",
        suppress_callback_exceptions=True,
    )
    app.layout = frame()
    presenter = Presenter(reading)
    _register_moves(app, presenter)
    _register_views(app, presenter)
    _register_exports(app, presenter)
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("lineage", "dress"),
        Output(GRAPH, "stylesheet"),
        Input("theme", "data"),
        State("sheets", "data"),
    )
    return app


def _register_moves(app: Dash, presenter: Presenter) -> None:
    @app.callback(
        Output("location", "search"),
        Output("refreshed", "data"),
        Input("gesture", "data"),
        State("location", "search"),
        State("refreshed", "data"),
        prevent_initial_call=True,
    )
    def _move(gesture: Mapping[str, str], query: str | None, refreshed: int) -> Any:
        verb, value = gesture["do"], gesture["value"]
        before = query or ""
        after = presenter.move(before, verb, value)
        if verb == "refresh":
            return no_update, refreshed + 1
        if after == before:
            raise PreventUpdate
        return after, no_update

    @app.callback(Output("suggestions", "children"), Input("words", "data"), prevent_initial_call=True)
    def _suggest(words: str | None) -> Any:
        return presenter.suggestions(words or "")


def _register_views(app: Dash, presenter: Presenter) -> None:
    @app.callback(
        Output(GRAPH, "elements"),
        Output("toolbar", "children"),
        Output("message", "children"),
        Output("stage", "hidden"),
        Output("drawn", "data"),
        Input("location", "search"),
        Input("refreshed", "data"),
        State("drawn", "data"),
    )
    def _draw(query: str | None, refreshed: int, drawn: Any) -> Any:
        address = Address.parse(query or "")
        if address.view == HEALTH:
            return no_update, [], None, True, no_update
        picture = presenter.picture(query or "")
        now = [address.picture.to_query(), refreshed]
        elements = no_update if drawn == now else picture.elements
        return elements, picture.toolbar, picture.message, picture.message is not None, now

    @app.callback(
        Output("panel", "children"),
        Output("panel", "hidden"),
        Input("location", "search"),
        Input("refreshed", "data"),
    )
    def _explain(query: str | None, _refreshed: int) -> Any:
        children = presenter.panel(query or "")
        return children, not children

    @app.callback(
        Output("health", "children"),
        Output("health", "hidden"),
        Output("views", "children"),
        Input("location", "search"),
        Input("refreshed", "data"),
    )
    def _look_after(query: str | None, _refreshed: int) -> Any:
        if Address.parse(query or "").view != HEALTH:
            return [], True, presenter.views(query or "")
        return presenter.health(), False, presenter.views(query or "")


def _register_exports(app: Dash, presenter: Presenter) -> None:
    @app.callback(
        Output("download", "data"),
        Output(GRAPH, "generateImage"),
        Input("taken", "data"),
        State("location", "search"),
        State("theme", "data"),
        prevent_initial_call=True,
    )
    def _export(taken: Mapping[str, str], query: str | None, theme: str) -> Any:
        kind = taken["kind"]
        if kind in _FILES:
            text = presenter.export(query or "", kind)
            return {"content": text, "filename": _FILES[kind], "type": "text/plain"}, no_update
        options = {"full": True, "scale": 2, "bg": "#0b1220" if theme == "dark" else "#ffffff"}
        return no_update, {"type": kind, "action": "download", "filename": "lineage", "options": options}
