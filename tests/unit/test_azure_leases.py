"""Leases in a table whose answers get lost: what was written is ours, whatever the retry receives."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import cast

import pytest

from shared.errors import ClaimHeldError
from shared.state.azure_leases import AzureLeases, Seen
from shared.state.azure_table import DocumentTable
from shared.state.table_service import ConditionFailedError, Entity, TableService, Write
from tests.harness.fakes import FakeClock

MINUTE = timedelta(minutes=1)


class ForgetfulService:
    """One table; if it is to lose the answer to the next write, the client sends that again, as ours does."""

    def __init__(self) -> None:
        self.entities: dict[str, tuple[Entity, str]] = {}
        self.loses_next_answer = False
        self._numbers = count(1)

    def get(self, partition: str, row: str) -> tuple[Entity, str] | None:
        return self.entities.get(row)

    def write(self, writes: Sequence[Write]) -> list[str]:
        for position, write in enumerate(writes):
            _, tag = self.entities.get(write.row, ({}, None))
            if write.tag != "" and write.tag != tag:
                raise ConditionFailedError(position)
        tags = [str(next(self._numbers)) if write.entity else "" for write in writes]
        for write, tag in zip(writes, tags, strict=True):
            if write.entity:
                self.entities[write.row] = write.entity, tag
            else:
                del self.entities[write.row]
        lost, self.loses_next_answer = self.loses_next_answer, False
        return self.write(writes) if lost else tags


@pytest.fixture
def service() -> ForgetfulService:
    return ForgetfulService()


@pytest.fixture
def table(service: ForgetfulService) -> DocumentTable:
    return DocumentTable(cast("TableService", service))


@pytest.fixture
def leases(table: DocumentTable) -> AzureLeases:
    return AzureLeases(table, Seen(), now=FakeClock())


@pytest.mark.parametrize("held_before", [False, True])
def test_lease_is_acquired_though_the_answer_is_lost(
    leases: AzureLeases, service: ForgetfulService, held_before: bool
) -> None:
    """No one else would ever release it."""
    if held_before:
        leases.acquire("root", holder="first", duration=MINUTE)
        leases.release(["root"], holder="first")
    service.loses_next_answer = True
    assert leases.acquire("root", holder="us", duration=MINUTE)
    assert leases.acquire("root", holder="them", duration=MINUTE) is None
    leases.release(["root"], holder="us")
    assert leases.acquire("root", holder="them", duration=MINUTE)


def test_lease_is_renewed_and_released_though_an_answer_is_lost(leases: AzureLeases, service: ForgetfulService) -> None:
    """The tag we remember is not the last one then."""
    leases.acquire("root", holder="us", duration=MINUTE)
    for _ in range(2):
        service.loses_next_answer = True
        leases.renew(["root"], holder="us", duration=MINUTE)
        assert leases.renew(["root"], holder="us", duration=MINUTE)
    leases.release(["root"], holder="us")
    assert leases.acquire("root", holder="them", duration=MINUTE)


def test_lease_that_another_has_taken_over_is_neither_renewed_nor_released(
    leases: AzureLeases, table: DocumentTable
) -> None:
    """The tag we remember is of what is gone."""
    leases.acquire("root", holder="us", duration=timedelta(0))
    rival = AzureLeases(table, Seen(), now=FakeClock())
    assert rival.acquire("root", holder="them", duration=MINUTE)
    assert not leases.renew(["root"], holder="us", duration=MINUTE)
    leases.release(["root"], holder="us")
    assert rival.renew(["root"], holder="them", duration=MINUTE)


def test_claims_are_taken_and_given_up_though_the_answers_are_lost(
    leases: AzureLeases, service: ForgetfulService, table: DocumentTable
) -> None:
    """With a root's lease, in one transaction each, as publishing takes and ends them; nothing of the claims stays."""
    names = ["x", "y"]
    with table.together():
        assert leases.acquire("root", holder="us", duration=MINUTE)
        service.loses_next_answer = True
        leases.claim(names, holder="us", duration=MINUTE)
    rival = AzureLeases(table, Seen(), now=FakeClock())
    with pytest.raises(ClaimHeldError):
        rival.claim(["y", "z"], holder="them", duration=MINUTE)
    rival.release(["y", "z"], holder="them")
    service.loses_next_answer = True
    assert leases.renew(["root", *names], holder="us", duration=MINUTE)
    with table.together():
        service.loses_next_answer = True
        leases.release(["root", *names], holder="us")
    leases.release(["root", *names], holder="us")
    assert len(service.entities) == 1


def test_claim_that_a_root_asked_for_leaves_a_trace_of_its_end(leases: AzureLeases, table: DocumentTable) -> None:
    """The root's worker planned meanwhile, and must see that another wrote."""
    leases.claim(["model"], holder="us", duration=MINUTE)
    assert leases.acquire("model", holder="them", duration=MINUTE) is None
    leases.release(["model"], holder="us")
    taken = leases.acquire("model", holder="them", duration=MINUTE)
    assert taken is not None
    assert taken.previous_end is not None


class Skewed(FakeClock):
    """The clock of a machine whose time is off."""

    def __init__(self, by: timedelta) -> None:
        super().__init__()
        self.time += by


@pytest.mark.parametrize("seconds", [-30, 30])
def test_lease_that_another_clock_gave_up_after_we_began_was_held_since(table: DocumentTable, seconds: int) -> None:
    """Nothing was read of it, so that nothing but the clocks says when that was."""
    rival = AzureLeases(table, Seen(), now=Skewed(timedelta(seconds=seconds)))
    started = FakeClock()()
    rival.acquire("root", holder="them", duration=MINUTE)
    rival.release(["root"], holder="them")
    taken = AzureLeases(table, Seen(), now=FakeClock()).acquire("root", holder="us", duration=MINUTE)
    assert taken is not None
    assert taken.previous_end is not None
    assert taken.previous_end >= started


@pytest.mark.parametrize("seconds", [-30, 30])
def test_lease_of_a_clock_that_is_off_is_held_until_it_is_over(table: DocumentTable, seconds: int) -> None:
    """Of a minute that is renewed every twenty seconds, ten are left."""
    rival = AzureLeases(table, Seen(), now=Skewed(timedelta(seconds=seconds)))
    clock = FakeClock()
    ours = AzureLeases(table, Seen(), now=clock)
    rival.acquire("root", holder="them", duration=MINUTE)
    rival.claim(["data"], holder="them", duration=MINUTE)
    clock.time += MINUTE / 3
    assert ours.acquire("root", holder="us", duration=MINUTE) is None
    with pytest.raises(ClaimHeldError):
        ours.claim(["data"], holder="us", duration=MINUTE)
    clock.time += 2 * MINUTE
    assert ours.acquire("root", holder="us", duration=MINUTE)
    ours.claim(["data"], holder="us", duration=MINUTE)
