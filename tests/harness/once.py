"""Makes something once for all workers of a run: the first that needs it makes it, the others wait and read it."""

import fcntl
import os
from collections.abc import Callable

import pytest


def once_a_run(folders: pytest.TempPathFactory, name: str, make: Callable[[], str]) -> str:
    """Return a text that only one worker makes."""
    base = folders.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    file = folder / name
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_text(make(), encoding="utf-8")
    return file.read_text(encoding="utf-8")
