"""Tells what a run that failed or was cancelled has left behind."""

from dataclasses import replace

from shared.model import SETTLED, SUCCEEDED, DataAsset, ModelVersion, Run


def left_something(run: Run) -> bool:
    """Whether a run completed, or registered an output before it ended otherwise."""
    return run.status.casefold() in SUCCEEDED or bool(without_unproven(run).outputs)


def without_unproven(run: Run) -> Run:
    """
    Leave out what nobody knows to be there: Azure ML records where a run that failed would have written.

    An output that was registered has a version, and so exists.
    """
    if run.status.casefold() not in SETTLED - SUCCEEDED:
        return run
    return replace(run, outputs=tuple(port for port in run.outputs if isinstance(port.data, DataAsset | ModelVersion)))
