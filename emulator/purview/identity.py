"""Where guids and times come from: both are predictable, so that the same requests give the same bytes."""

from dataclasses import dataclass, field
from uuid import UUID, uuid5

FIRST_MOMENT = 1_767_225_600_000  # 2026-01-01T00:00:00Z in milliseconds
STEP = 1000
NAMESPACE = UUID("6f2ad1c2-52a8-4f0c-9c35-0a1b5d1b7a10")


@dataclass(slots=True)
class Source:
    """Gives the next guid, the next request id and the time of a request."""

    seed: str = "purview"
    moment: int = FIRST_MOMENT
    _issued: int = field(default=0, repr=False)

    def guid(self) -> str:
        """Return a guid that was never used."""
        self._issued += 1
        return str(uuid5(NAMESPACE, f"{self.seed}/{self._issued}"))

    def unassigned(self) -> str:
        """Return the placeholder given to an entity that came without a guid."""
        self._issued += 1
        return f"-{FIRST_MOMENT * 1_000_000 + self._issued}"

    def tick(self) -> int:
        """Return the time of a new write, one second after the last."""
        self.moment += STEP
        return self.moment
