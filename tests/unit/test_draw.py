"""Drawing lineage: `questions.draw` on graphs that no catalog was asked for."""

import networkx as nx

from questions.draw import to_text
from shared.catalog.qualified_names import QualifiedName
from shared.purview.reader import Asset


def test_chain_deeper_than_the_stack_is_drawn() -> None:
    """A pipeline of two thousand steps is four thousand levels of runs and data."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    guids = [str(number) for number in range(1_100)]
    for guid in guids:
        graph.add_node(guid, asset=Asset(guid, "custom_dataset", QualifiedName(f"azureml://{guid}"), guid))
    nx.add_path(graph, guids)
    lines = to_text(graph, "0").splitlines()
    assert len(lines) == len(guids) + 1
    assert lines[-1].endswith("1099 (data)")
