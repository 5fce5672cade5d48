"""One thing to be set up: looked at, changed only if it is not so already, and who else can do it if we may not."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import AccessDeniedError, LineageError

UNCHANGED, PLANNED, DONE = "unchanged", "planned", "done"
LATER, SKIPPED, REFUSED, FAILED = "later", "skipped", "refused", "failed"


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed, in words, the act, and the command for somebody else where it is not the step's."""

    words: str
    act: Callable[[], object]
    command: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """
    How a step ended.

    Attributes:
        state: `unchanged`, `planned` (in a dry run), `done`, `later` (somebody does it unasked), `skipped` (nobody said
            for whom), `refused` (the caller may not) or `failed`.
        command: what the person who may does; "" unless refused.
    """

    step: str
    state: str
    detail: str
    command: str = ""

    @property
    def is_well(self) -> bool:
        return self.state not in (REFUSED, FAILED)

    def to_json(self) -> dict[str, str]:
        return {"step": self.step, "state": self.state, "detail": self.detail, "command": self.command}


@dataclass(frozen=True, slots=True)
class Step:
    """
    Attributes:
        plan: looks, and returns what to change, or in words why there is nothing to.
        command: what the person with the rights does if the caller may not.
        later: who does it unasked if the caller may not; "" for nobody.
    """

    name: str
    plan: Callable[[], Change | str]
    command: str
    later: str = ""

    def run(self, *, dry_run: bool) -> Result:
        command = self.command
        try:
            change = self.plan()
            if isinstance(change, str):
                return Result(self.name, UNCHANGED, change)
            if dry_run:
                return Result(self.name, PLANNED, change.words)
            command = change.command or command
            change.act()
        except AccessDeniedError as error:
            if self.later:
                return Result(self.name, LATER, self.later)
            return Result(self.name, REFUSED, str(error), command)
        except LineageError as error:
            return Result(self.name, FAILED, f"{error.reason}: {error}")
        return Result(self.name, DONE, change.words)
