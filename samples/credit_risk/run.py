"""Runs the pipeline here: each step a process of its own, with the command line its component states."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from samples.credit_risk.definitions import Pipeline, Step

_PLACEHOLDER = re.compile(r"\$\{\{(inputs|outputs)\.(\w+)\}\}")
_TIMEOUT = 300


class StepFailedError(Exception):
    """A step ended with an error; what it said is in its log."""

    def __init__(self, step: str, *, code: int, log: Path) -> None:
        super().__init__(f"step {step} failed with exit code {code}")
        self.step = step
        self.log = log


@dataclass(frozen=True, slots=True)
class Local:
    """A folder that stands for the workspace: ``steps/`` has the outputs, ``logs/`` what the steps said."""

    folder: Path
    pipeline: Pipeline

    def output(self, step: str, name: str) -> Path:
        """Return the folder of one output of a step."""
        return self.folder / "steps" / step / name

    @property
    def tracking(self) -> Path:
        """The folder MLflow keeps its runs in."""
        return self.folder / "mlruns"

    def run(self, data: Mapping[str, Path], *, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
        """
        Run the steps one after the other on files that stand for the pipeline's inputs.

        Raises:
            StepFailedError: later steps have not been started.
        """
        shutil.rmtree(self.folder / "steps", ignore_errors=True)  # an output folder is empty when a step starts
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        for step in self.pipeline.steps:
            say(f"{step.name} ...")
            self._run(step, data, environ)

    def _run(self, step: Step, data: Mapping[str, Path], environ: Mapping[str, str]) -> None:
        paths = {("inputs", name): self._input(source.step, source.name, data) for name, source in step.inputs.items()}
        for name in step.outputs:
            paths["outputs", name] = self.output(step.key, name)
            paths["outputs", name].mkdir(parents=True)
        log = self.folder / "logs" / f"{step.key}.txt"
        with log.open("w", encoding="utf-8") as file:
            done = subprocess.run(  # noqa: S603 - the commands of our own components
                command_line(step.command, paths),
                cwd=step.code,
                env=self._environment(step, environ),
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=_TIMEOUT,
                check=False,
            )
        if done.returncode:
            raise StepFailedError(step.name, code=done.returncode, log=log)

    def _input(self, step: str | None, name: str, data: Mapping[str, Path]) -> Path:
        return self.output(step, name) if step else data[name]

    def _environment(self, step: Step, environ: Mapping[str, str]) -> dict[str, str]:
        """Set what Azure ML would have set, and that MLflow keeps everything here and sends nothing."""
        # What is set for a workspace must not lead this run there.
        own = {name: value for name, value in environ.items() if not name.startswith(("MLFLOW_", "AZUREML_"))}
        return own | {
            "MLFLOW_TRACKING_URI": self.tracking.resolve().as_uri(),
            "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow 3.7 and later ask for a database without this
            "MLFLOW_EXPERIMENT_NAME": self.pipeline.experiment,
            "MLFLOW_RUN_NAME": step.name,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "PYTHONDONTWRITEBYTECODE": "1",  # the folder is what Azure ML uploads
        }


def command_line(command: str, paths: Mapping[tuple[str, str], Path]) -> list[str]:
    """Split a component's command, then put paths in, so that a path may contain spaces."""

    def path(found: re.Match[str]) -> str:
        return str(paths[found[1], found[2]].resolve())

    first, *rest = (_PLACEHOLDER.sub(path, word) for word in shlex.split(command))
    return [sys.executable if first == "python" else first, *rest]
