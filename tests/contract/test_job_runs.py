"""What the ledger keeps of runs that several OpenLineage events are about, whatever stores it."""

from shared.catalog.qualified_names import QualifiedName
from shared.state.ports import State
from tests.contract.stores import Open

RUN, OTHER = QualifiedName("openlineage://ns/runs/1"), QualifiedName("openlineage://ns/runs/2")


def test_parts_of_a_run_are_kept_once_each(state: State) -> None:
    """What is said again adds nothing; runs do not mix."""
    state.ledger.add_facts(RUN, ["a", "b"])
    state.ledger.add_facts(RUN, ["b", "c"])
    state.ledger.add_facts(OTHER, ["a"])
    assert sorted(state.ledger.get_facts(RUN)) == ["a", "b", "c"]
    assert state.ledger.get_facts(OTHER) == ["a"]
    assert state.ledger.get_facts(QualifiedName("openlineage://ns/runs/3")) == []


def test_order_of_parts_does_not_depend_on_when_they_came(state: State, reopen: Open) -> None:
    """Nor on who reads them."""
    state.ledger.add_facts(RUN, ["x", "y", "z"])
    state.ledger.add_facts(OTHER, ["z"])
    state.ledger.add_facts(OTHER, ["y", "x"])
    assert state.ledger.get_facts(RUN) == state.ledger.get_facts(OTHER) == reopen().ledger.get_facts(RUN)


def test_large_parts_are_kept_whole(state: State) -> None:
    """As large as a message can be, in letters that take three bytes each, and a hundred of them."""
    parts = [f"{number} {'é€' * 8_000}" for number in range(100)]
    state.ledger.add_facts(RUN, parts)
    assert sorted(state.ledger.get_facts(RUN)) == sorted(parts)


def test_facts_that_were_folded_are_one(state: State, reopen: Open) -> None:
    """Those that came meanwhile stay; to do it twice, or side by side, changes nothing."""
    state.ledger.add_facts(RUN, ["a", "b", "c"])
    state.ledger.add_facts(OTHER, ["a"])
    for _ in range(2):
        state.ledger.fold_facts(RUN, ["a", "b"], into="a+b")
    assert sorted(reopen().ledger.get_facts(RUN)) == ["a+b", "c"]
    state.ledger.fold_facts(RUN, ["a+b", "c"], into="a+b")
    assert (state.ledger.get_facts(RUN), state.ledger.get_facts(OTHER)) == (["a+b"], ["a"])
