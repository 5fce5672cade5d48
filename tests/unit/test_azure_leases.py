"""Leases in a table whose answers get lost: what was written is ours, whatever the retry receives."""

from datetime import timedelta
from typing import cast

import pytest

from shared.state.azure_leases import AzureLeases, Seen
from shared.state.azure_table import DocumentTable, Guard, Stored, unpack
from shared.state.table_service import Entity
from tests.harness.fakes import FakeClock

MINUTE = timedelta(minutes=1)


class ForgetfulTable:
    """Writes, and says so unless it is to lose the answer to the next write: a retry then finds another tag."""

    def __init__(self) -> None:
        self.documents: dict[str, Stored] = {}
        self.loses_next_answer = False

    def get(self, row: str) -> Stored | None:
        return self.documents.get(row)

    def insert(self, row: str, entity: Entity) -> str:
        return "" if row in self.documents else self._write(row, entity)

    def replace(self, row: str, entity: Entity, *, tag: str) -> str:
        return self._write(row, entity) if self.documents[row].tag == tag else ""

    def guard(self, guard: Guard) -> bool:
        return False

    def _write(self, row: str, entity: Entity) -> str:
        tag = f"{int(self.documents[row].tag) + 1 if row in self.documents else 1}"
        self.documents[row] = Stored(row, unpack(entity), tag)
        lost, self.loses_next_answer = self.loses_next_answer, False
        return "" if lost else tag


@pytest.fixture
def table() -> ForgetfulTable:
    return ForgetfulTable()


@pytest.fixture
def leases(table: ForgetfulTable) -> AzureLeases:
    return AzureLeases(cast("DocumentTable", table), Seen(), now=FakeClock())


@pytest.mark.parametrize("held_before", [False, True])
def test_lease_is_acquired_though_the_answer_is_lost(
    leases: AzureLeases, table: ForgetfulTable, held_before: bool
) -> None:
    """No one else would ever release it."""
    if held_before:
        leases.acquire("root", holder="first", duration=MINUTE)
        leases.release("root", holder="first")
    table.loses_next_answer = True
    assert leases.acquire("root", holder="us", duration=MINUTE)
    assert leases.acquire("root", holder="them", duration=MINUTE) is None
    leases.release("root", holder="us")
    assert leases.acquire("root", holder="them", duration=MINUTE)


def test_lease_is_renewed_and_released_though_an_answer_is_lost(leases: AzureLeases, table: ForgetfulTable) -> None:
    """The tag we remember is not the last one then."""
    leases.acquire("root", holder="us", duration=MINUTE)
    for _ in range(2):
        table.loses_next_answer = True
        leases.renew("root", holder="us", duration=MINUTE)
        assert leases.renew("root", holder="us", duration=MINUTE)
    leases.release("root", holder="us")
    assert leases.acquire("root", holder="them", duration=MINUTE)


def test_lease_that_another_has_taken_over_is_neither_renewed_nor_released(
    leases: AzureLeases, table: ForgetfulTable
) -> None:
    """The tag we remember is of what is gone."""
    leases.acquire("root", holder="us", duration=timedelta(0))
    rival = AzureLeases(cast("DocumentTable", table), Seen(), now=FakeClock())
    assert rival.acquire("root", holder="them", duration=MINUTE)
    assert not leases.renew("root", holder="us", duration=MINUTE)
    leases.release("root", holder="us")
    assert rival.renew("root", holder="them", duration=MINUTE)
