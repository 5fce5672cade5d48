"""What it costs a cold worker to index the app, as a ratio to importing azure.functions."""

import resource
import subprocess
import sys

from rich.table import Table

from benchmarks.emulated import ROOT

LIMIT = 1.3
ROUNDS = 9
_HEAVY = ("azure.ai.ml", "pyapacheatlas", "mlflow")
_NOTHING = "pass"
_BASE = "import azure.functions"
_INDEX = "import function_app; assert len(function_app.app.get_functions()) == 9"
_LOADED = f"{_INDEX}; import sys; print([name for name in {_HEAVY!r} if name in sys.modules])"


def indexing_ratio(rounds: int = ROUNDS) -> float:
    """
    Return CPU of indexing over CPU of `import azure.functions`, that of an empty interpreter taken off both.

    Of each the least of all rounds counts: what else runs on the machine can only add to it.
    """
    samples: dict[str, list[float]] = {program: [] for program in (_NOTHING, _BASE, _INDEX)}
    for _ in range(rounds):  # in turns, so that a busy moment hits all of them
        for program, seconds in samples.items():
            seconds.append(_cpu_seconds(program))
    nothing, base, index = (min(samples[program]) for program in (_NOTHING, _BASE, _INDEX))
    return (index - nothing) / (base - nothing)


def loaded_clients() -> str:
    """Return which of the heavy SDKs indexing loads, as a list's repr."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _LOADED], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def measure_indexing() -> Table:
    """Measure the ratio and what is loaded."""
    table = Table(title="Indexing the app in a cold worker")
    for heading in (f"CPU over import azure.functions\n(goal ≤ {LIMIT})", f"of {', '.join(_HEAVY)} it loads"):
        table.add_column(heading, justify="right")
    table.add_row(f"{indexing_ratio():.2f}", loaded_clients())
    return table


def _cpu_seconds(program: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)  # noqa: S603 - our own program
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
