"""Long-running operations: how Event Grid writes something, and how clients wait for it."""

from collections import deque
from dataclasses import dataclass

from emulator.purview.identity import Source

IN_PROGRESS, SUCCEEDED, FAILED = "InProgress", "Succeeded", "Failed"


@dataclass(slots=True)
class Operation:
    """One write; it is over after a look at it, or at what it writes, that found it in progress."""

    id: str
    looks: int = 1
    error: dict[str, str] | None = None

    def look(self) -> str:
        """Tell how it stands, which moves it on."""
        status = self.status
        self.looks = max(0, self.looks - 1)
        return status

    @property
    def status(self) -> str:
        """How it stands, without moving it on."""
        if self.looks:
            return IN_PROGRESS
        return FAILED if self.error else SUCCEEDED


class Operations:
    """All operations so far; errors that a test has scripted go to the next ones."""

    def __init__(self) -> None:
        self._source = Source("operation")
        self._by_id: dict[str, Operation] = {}
        self._errors: deque[dict[str, str]] = deque()

    def fail_next(self, code: str, message: str) -> None:
        """Let the next operation end in this error."""
        self._errors.append({"code": code, "message": message})

    def start(self) -> Operation:
        """Start an operation."""
        operation = Operation(self._source.guid(), error=self._errors.popleft() if self._errors else None)
        self._by_id[operation.id] = operation
        return operation

    def find(self, operation_id: str) -> Operation | None:
        """Find an operation by id."""
        return self._by_id.get(operation_id.lower())
