"""Runs that are read when they are asked for, so that a workspace may have a hundred thousand of them."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from emulator.azure_ml.content.assets import DataVersion, Key
from emulator.azure_ml.content.reading import Node
from emulator.azure_ml.content.runs import Run

# Families that stay read; one is some ten kilobytes.
CACHED = 512

_ANONYMOUS = re.compile(r"azureml_(?P<run>.+?)_(?:input|output)_data_.+")


class Families(Protocol):
    """Descriptions of runs by their ids. A root run and everything below it is a family."""

    def roots(self) -> Sequence[str]:
        """List the ids of the root runs, oldest first."""
        ...

    def root_of(self, run_id: str) -> str | None:
        """Name the root run of a run; None if there is no such run."""
        ...

    def describe(self, root_id: str) -> Mapping[str, Node]:
        """Describe a family as ``azure_ml.yaml`` does, the root first."""
        ...


@dataclass(frozen=True, slots=True)
class Family:
    """A family that was read, with the data assets that exist because of it."""

    runs: Mapping[str, Run]
    data: Mapping[Key, DataVersion]


class FamilyReader:
    """Reads families and keeps the latest."""

    def __init__(self, families: Families, read: Callable[[Mapping[str, Node]], Family]) -> None:
        self._families = families
        self.roots = families.roots()
        self.of_root = lru_cache(CACHED)(lambda root_id: read(families.describe(root_id)))

    def of(self, run_id: str) -> Family | None:
        """Read the family of a run; None if there is no such run."""
        root_id = self._families.root_of(run_id)
        return None if root_id is None else self.of_root(root_id)

    def root(self, place: int) -> Run:
        """Read a root run by its place, oldest first."""
        root_id = self.roots[place]
        return self.of_root(root_id).runs[root_id]


class FamilyRuns(Mapping[str, Run]):
    """All runs of a workspace: those of its seed document, then those of its families."""

    def __init__(self, seeded: Mapping[str, Run], reader: FamilyReader) -> None:
        self.seeded = seeded
        self._reader = reader

    def __getitem__(self, run_id: str) -> Run:
        if run_id in self.seeded:
            return self.seeded[run_id]
        family = self._reader.of(run_id)
        if family is None:
            raise KeyError(run_id)
        return family.runs[run_id]

    def __iter__(self) -> Iterator[str]:
        yield from self.seeded
        for root_id in self._reader.roots:
            yield from self._reader.of_root(root_id).runs

    def __len__(self) -> int:
        return sum(1 for _ in self)


class FamilyChildren(Mapping[str, tuple[str, ...]]):
    """The runs one level below a run."""

    def __init__(self, seeded: Mapping[str, tuple[str, ...]], reader: FamilyReader) -> None:
        self._seeded = seeded
        self._reader = reader

    def __getitem__(self, run_id: str) -> tuple[str, ...]:
        if run_id in self._seeded:
            return self._seeded[run_id]
        family = self._reader.of(run_id)
        if family is None:
            raise KeyError(run_id)
        return tuple(run.id for run in family.runs.values() if run.parent == run_id)

    def __iter__(self) -> Iterator[str]:
        yield from self._seeded
        yield from self._reader.roots

    def __len__(self) -> int:
        return len(self._seeded) + len(self._reader.roots)


class FamilyData(Mapping[Key, DataVersion]):
    """All data of a workspace; only what the seed document knows is listed, what runs made without a name is found."""

    def __init__(self, seeded: Mapping[Key, DataVersion], reader: FamilyReader) -> None:
        self._seeded = seeded
        self._reader = reader

    def __getitem__(self, key: Key) -> DataVersion:
        if key in self._seeded:
            return self._seeded[key]
        match = _ANONYMOUS.fullmatch(key[0])
        family = self._reader.of(match["run"]) if match else None
        if family is None:
            raise KeyError(key)
        return family.data[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._seeded)

    def __len__(self) -> int:
        return len(self._seeded)


class NewestRoots(Sequence[Run]):
    """The root runs, newest first: those of the seed document where their times put them."""

    def __init__(self, seeded: Sequence[Run], reader: FamilyReader) -> None:
        self._reader = reader
        count = len(reader.roots)

        def older_than(run: Run) -> int:
            return bisect_left(range(count), run.created, key=lambda place: reader.root(place).created)

        # Place of each in the whole list: after the newer ones of the families, and after those seeded before it.
        self._seeded = {count - older_than(run) + number: run for number, run in enumerate(seeded)}
        self._places = sorted(self._seeded)
        self._count = count

    def __len__(self) -> int:
        return self._count + len(self._places)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if place < 0 or place >= len(self):
            raise IndexError(place)
        if place in self._seeded:
            return self._seeded[place]
        return self._reader.root(self._count - 1 - (place - bisect_left(self._places, place)))
