"""The lease that lets one worker at a time write: the catalog has no optimistic locking."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from shared.errors import LeaseHeldError
from shared.state.ports import Leases

LEASE = timedelta(minutes=10)
"""How long a worker that died keeps the others waiting; a request to the catalog with all its retries takes less."""


@dataclass
class WriterLease:
    """
    Names that no other worker holds until the end of a `with` block, or until `duration` after the last check.

    Attributes:
        previous_end: when another worker last held one of them; None if none did.
    """

    leases: Leases
    duration: timedelta
    names: list[str] = field(default_factory=list)
    previous_end: datetime | None = None
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def take(cls, leases: Leases, names: Iterable[str], *, duration: timedelta | None = None) -> Self:
        """
        Take a lease on all of some names, by default for as long as writing a run tree may take.

        Raises:
            LeaseHeldError: another worker holds one of them; none is ours.
        """
        lease = cls(leases, duration or LEASE)
        try:
            for name in names:  # no worker waits for another while holding one, so their order does not matter
                lease._add(name)
        except BaseException:
            lease.release()
            raise
        return lease

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def check(self) -> None:
        """Extend the lease before each request that writes; we may have been too slow and another may have begun."""
        for name in self.names:
            if not self.leases.renew(name, holder=self.holder, duration=self.duration):
                raise LeaseHeldError(f"the lease on {name} was lost: another worker has taken it over")

    def was_held_since(self, moment: datetime) -> bool:
        """Whether another worker held it, or part of it, after a time."""
        return self.previous_end is not None and self.previous_end >= moment

    def release(self) -> None:
        """Let others take it."""
        for name in self.names:
            self.leases.release(name, holder=self.holder)

    def _add(self, name: str) -> None:
        taken = self.leases.acquire(name, holder=self.holder, duration=self.duration)
        if taken is None:
            raise LeaseHeldError(f"{name} is being published by another worker")
        self.names.append(name)
        self.previous_end = max(filter(None, (self.previous_end, taken.previous_end)), default=None)
