"""What `show` draws: all of it, however deep, in three forms."""

from collections.abc import Callable

from questions.draw import read_graph, to_mermaid, to_text
from questions.walk import Walker
from shared.catalog.qualified_names import QualifiedName
from tests.harness.app import App


def test_every_node_of_a_deep_chain_is_drawn(start_app: Callable[..., App]) -> None:
    """A hundred runs in a row: nothing is cut or wrapped."""
    app = start_app("chain", steps=100)
    app.replay()
    names = [
        entity["attributes"]["qualifiedName"]
        for entity in app.emulator.control.state()["purview"]["entities"]
        if entity["typeName"] == "custom_ml_experiment_step"
    ]
    name = QualifiedName(sorted(names)[40])
    graph = read_graph(Walker(app.services.lineage), app.services.catalog.find([name])[name].guid, limit=1_000)
    text = to_text(graph, app.services.catalog.find([name])[name].guid)
    for number in range(1, 101):
        assert f"step_{number:03} (run)" in text
    assert "data.csv (" in text
    assert to_mermaid(graph).count("-->") == graph.number_of_edges()
