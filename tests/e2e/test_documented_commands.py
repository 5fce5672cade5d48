"""What the documentation tells a reader to type is typed here, or is listed as needing Azure."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulator import azurite
from tests.references.documented_commands import (
    NEEDS_AZURE,
    PAGES,
    ROOT,
    RUN_AS_SCRIPTS,
    RUN_BY,
    RUN_BY_COMMAND,
    commands_of,
)

BASH = shutil.which("bash") or "/bin/bash"
PATIENCE = 60.0


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A folder that looks like the project's, in which commands may leave files behind."""
    for entry in ROOT.iterdir():
        if entry.name not in (".git", "out", "emulator.json", "local.settings.json"):
            (tmp_path / entry.name).symlink_to(entry)
    return tmp_path


def bash(script: str, cwd: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a script as a person's shell does, with job control."""
    environ = {**os.environ, **more}
    return subprocess.run(  # noqa: S603
        [BASH, "-m", "-c", script], cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


@contextmanager
def started(command: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Start a server as its own terminal would, and end it with all that it started."""
    with subprocess.Popen(  # noqa: S603
        [BASH, "-c", f"exec {command}"],
        cwd=cwd,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=PATIENCE)


def first_line(process: "subprocess.Popen[str]") -> dict[str, object]:
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert isinstance(line, dict)
    return line


def wait_for_port(port: int) -> None:
    ends_at = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < ends_at, f"nothing listens on port {port}"
            time.sleep(0.1)
        else:
            return


def test_every_documented_command_is_run_or_needs_azure() -> None:
    """A command that is none of these has to be added to one of them, and one that is gone taken out."""
    seen: set[str] = set()
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        for command in commands_of(page):
            word = command.split()[0]
            if command in RUN_BY:
                seen.add(command)
            elif word in NEEDS_AZURE:
                seen.add(word)
            elif word == "lineage":
                assert name in RUN_BY_COMMAND, (name, command)
            else:
                assert name in RUN_AS_SCRIPTS, (name, command)
    assert seen == RUN_BY.keys() | NEEDS_AZURE.keys()


@pytest.mark.parametrize("command", RUN_BY)
def test_documented_target_can_be_made(command: str) -> None:
    """It exists and expands, and what is said to run it is there."""
    target = command.split()[1]
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert done.returncode == 0, done.stderr
    runner = (ROOT / RUN_BY[command]).read_text(encoding="utf-8")
    assert not runner.startswith("#!/usr/bin/env bash") or f"make {target}" in runner or target in ("format", "lock")


def test_readme_runs_as_it_is_written(workshop: Path) -> None:
    """Emulator, settings, replay, show, and the end of the emulator."""
    commands = [
        command for command in commands_of(ROOT / "README.md") if command.split()[0] not in (*NEEDS_AZURE, "make")
    ]
    assert len(commands) == 8
    done = bash("\n".join(commands), workshop)
    assert "creditrisk_model:2 (model) comes from" in done.stdout
    assert "flowchart LR" in done.stdout
    assert "1 dead-lettered, " in done.stdout
    assert done.returncode == 0, done.stderr


@pytest.mark.servers
def test_running_locally_runs_as_it_is_written(workshop: Path) -> None:
    """Storage, emulator and app as three processes; an event that is posted ends as lineage in the catalog."""
    missing = azurite.missing()
    if missing and os.environ.get("LINEAGE_TESTS_SKIP_NOTHING"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    node, emulator, copy, edit, _, _, curl, settings, status, host = (
        command for command in commands_of(ROOT / "docs/running-locally.md") if command not in RUN_BY
    )
    with started(node, workshop), started(emulator, workshop) as azure:
        bundle = str(first_line(azure)["ca_bundle"])
        wait_for_port(10_000)
        done = bash(f"{copy} && {edit.replace('/path/of/ca.pem', bundle)}", workshop)
        assert done.returncode == 0, done.stderr
        values = json.loads((workshop / "local.settings.json").read_text(encoding="utf-8"))["Values"]
        assert bash(status, workshop, **values).returncode == 0
        with started(host, workshop, values) as app:
            key = str(first_line(app)["system_key"])
            posted = bash(curl, workshop, SYSTEM_KEY=key)
            assert "HTTP/1.1 202" in posted.stdout
            ends_at = time.monotonic() + PATIENCE
            show = f"{settings}\n.venv/bin/lineage show creditrisk_train"
            while "creditrisk_train" not in (shown := bash(show, workshop)).stdout:
                assert time.monotonic() < ends_at, shown.stderr
                time.sleep(0.5)


def test_emulator_page_starts_it_as_it_is_written(workshop: Path) -> None:
    """With a latency, and on a free port."""
    (command,) = commands_of(ROOT / "docs/emulator.md")
    with started(command, workshop) as process:
        assert set(first_line(process)) == {"azure_ml", "purview", "ca_bundle", "env"}
