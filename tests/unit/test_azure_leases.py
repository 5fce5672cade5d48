"""Leases in a table whose answers get lost: what was written is ours, whatever the retry receives."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import pytest

from shared.state.azure_ledger import AzureLeases
from shared.state.azure_table import DocumentTable
from tests.harness.fakes import FakeClock

MINUTE = timedelta(minutes=1)


class ForgetfulTable:
    """Writes, and says so unless it is to lose the answer to the next write: the SDK's retry then finds a tag."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[Mapping[str, Any], str]] = {}
        self.loses_next_answer = False

    def get_tagged(self, kind: str, name: str) -> tuple[Mapping[str, Any], str] | None:
        return self.documents.get(name)

    def insert(self, kind: str, name: str, document: Mapping[str, Any]) -> str:
        return "" if name in self.documents else self._write(name, document)

    def replace(self, kind: str, name: str, document: Mapping[str, Any], *, tag: str) -> str:
        return self._write(name, document) if self.documents[name][1] == tag else ""

    def _write(self, name: str, document: Mapping[str, Any]) -> str:
        tag = f"{int(self.documents[name][1]) + 1 if name in self.documents else 1}"
        self.documents[name] = document, tag
        lost, self.loses_next_answer = self.loses_next_answer, False
        return "" if lost else tag


@pytest.fixture
def table() -> ForgetfulTable:
    return ForgetfulTable()


@pytest.fixture
def leases(table: ForgetfulTable) -> AzureLeases:
    return AzureLeases(cast("DocumentTable", table), now=FakeClock())


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
    rival = AzureLeases(cast("DocumentTable", table), now=FakeClock())
    assert rival.acquire("root", holder="them", duration=MINUTE)
    assert not leases.renew("root", holder="us", duration=MINUTE)
    leases.release("root", holder="us")
    assert rival.renew("root", holder="them", duration=MINUTE)
