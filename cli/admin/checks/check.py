"""One thing that must be right, what was found, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass

from cli.admin.checks.remedies import find_remedy
from shared.errors import LineageError
from shared.redaction import redact_text

OK, PROBLEM, UNCHECKED = "ok", "problem", "unchecked"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What a check found.

    Attributes:
        state: `ok`, `problem`, or `unchecked` where something keeps it from being looked at.
        detail: what is so.
        remedy: what to do about it; "" unless it is a problem.
    """

    check: str
    state: str
    detail: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        return {"check": self.check, "state": self.state, "detail": self.detail, "remedy": self.remedy}


class ProblemError(LineageError):
    """A probe found something wrong, and knows the remedy."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.remedy = remedy


class UncheckedError(LineageError):
    """A probe could not look; the message says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """
    Attributes:
        probe: looks, and returns what is right in a few words; any LineageError is a problem.
        remedy: what helps against an error that does not say it itself.
    """

    name: str
    probe: Callable[[], str]
    remedy: str

    def run(self) -> Finding:
        try:
            return Finding(self.name, OK, self.probe())
        except UncheckedError as error:
            return Finding(self.name, UNCHECKED, str(error))
        except ProblemError as error:
            return Finding(self.name, PROBLEM, str(error), error.remedy)
        except LineageError as error:
            return Finding(self.name, PROBLEM, f"{error.reason}: {error}", find_remedy(str(error)) or self.remedy)
        except Exception as error:  # noqa: BLE001 - one check that has a defect must not take the others with it
            return Finding(self.name, PROBLEM, f"Unexpected{type(error).__name__}: {redact_text(str(error))}", _DEFECT)


_DEFECT = "A defect of ours: report it with this line."
