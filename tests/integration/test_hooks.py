"""The hooks of azd: twins in two shells, safe to run again after a failure at any line."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tree_sitter_powershell
import yaml
from tree_sitter import Language, Parser

from tests.references.bicep import INFRA, nodes, templates

HOOKS = ("preprovision", "postprovision", "postdeploy")
STUBS = ("bin/az", "bin/python3", "bin/sleep", ".venv/bin/python", ".venv/bin/lineage")
STUB = """#!/bin/sh
echo "$(basename "$0") $*" >> log
[ "$(wc -l < log)" -ne "${FAIL_AT:-0}" ]
"""

Hook = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def run(tmp_path: Path) -> Hook:
    """Run a hook in a folder where every program it calls only notes the call, and fails if a test says so."""
    for name in STUBS:
        stub = tmp_path / name
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(STUB)
        stub.chmod(0o755)
    environ = dict.fromkeys(templates()["main"].part("outputs"), "value") | {
        "AZURE_ENV_NAME": "test",
        "AZURE_LOCATION": "westeurope",
        "AZURE_SUBSCRIPTION_ID": "sub",
        "LINEAGE_PRIVATE_NETWORK": "false",
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
    }

    def run_hook(name: str, **more: str) -> tuple[int, list[str]]:
        (tmp_path / "log").write_text("")
        done = subprocess.run(  # noqa: S603
            ["/bin/sh", str(INFRA / "hooks" / f"{name}.sh")],
            cwd=tmp_path,
            env={**environ, **more},
            check=False,
            timeout=30,
        )
        return done.returncode, (tmp_path / "log").read_text().splitlines()

    return run_hook


def programs(calls: list[str]) -> list[str]:
    """Return what was called, each with its first argument."""
    return [" ".join(call.split()[:2]) for call in calls]


@pytest.mark.parametrize("name", HOOKS)
def test_hook_passes_shellcheck(name: str) -> None:
    """At every level of severity."""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(  # noqa: S603
        [shellcheck, INFRA / "hooks" / f"{name}.sh"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", HOOKS)
def test_twin_is_powershell_that_stops_at_an_error(name: str) -> None:
    """Nothing here can run it, but a parser reads it."""
    text = (INFRA / "hooks" / f"{name}.ps1").read_text(encoding="utf-8")
    tree = Parser(Language(tree_sitter_powershell.language())).parse(text.encode())
    assert not any(node.is_error or node.is_missing for node in nodes(tree.root_node))
    assert '$ErrorActionPreference = "Stop"\n$PSNativeCommandUseErrorActionPreference = $true\n' in text


@pytest.mark.parametrize("name", HOOKS)
def test_twins_take_the_same_steps(name: str) -> None:
    """Every command with every argument, in the same order, and as many tries."""
    posix = (INFRA / "hooks" / f"{name}.sh").read_text(encoding="utf-8")
    windows = (INFRA / "hooks" / f"{name}.ps1").read_text(encoding="utf-8")
    as_posix = (
        windows.replace("$env:", "$")
        .replace(".venv/Scripts/", ".venv/bin/")
        .replace("python -m venv", "python3 -m venv")
    )
    assert _steps(as_posix, "`") == _steps(posix, "\\")
    assert re.findall(r"-lt (\d+)|sleep (\d+)", posix) == [
        (tries, pause) for tries, pause in re.findall(r"-ge (\d+)|Start-Sleep (\d+)", windows)
    ]
    assert ("${AZURE_SUBSCRIPTION_ID:-}" in posix) == ("if ($env:AZURE_SUBSCRIPTION_ID)" in windows)
    assert ('"$LINEAGE_PRIVATE_NETWORK" = "true"' in posix) == ('$env:LINEAGE_PRIVATE_NETWORK -eq "true"' in windows)


def test_azd_runs_both_twins_of_every_hook() -> None:
    """And each file is a hook of azd's."""
    hooks = yaml.safe_load((INFRA.parent / "azure.yaml").read_text(encoding="utf-8"))["hooks"]
    assert tuple(hooks) == HOOKS
    for name, hook in hooks.items():
        assert hook["posix"]["run"] == f"infra/hooks/{name}.sh"
        assert hook["windows"]["run"] == f"infra/hooks/{name}.ps1"
        assert "continueOnError" not in {**hook["posix"], **hook["windows"]}
    files = {path.name for path in (INFRA / "hooks").iterdir()}
    assert files == {f"{name}{ending}" for name in HOOKS for ending in (".sh", ".ps1")}


def test_subscription_that_azd_has_not_asked_for_yet_is_no_failure(run: Hook) -> None:
    """The hook comes before azd's questions on the very first run."""
    assert run("preprovision", AZURE_SUBSCRIPTION_ID="") == (0, [])


def test_postdeploy_subscribes_sets_up_and_proves(run: Hook) -> None:
    """In this order, each once."""
    status, calls = run("postdeploy")
    assert status == 0
    assert programs(calls) == ["python3 -m", "python -m", "az deployment", "lineage setup", "lineage doctor"]


@pytest.mark.parametrize("name", ["preprovision", "postprovision", "postdeploy"])
def test_hook_stops_at_the_line_that_fails_and_does_all_of_it_again(run: Hook, name: str) -> None:
    """Whatever line that is: nothing after it ran, and another run takes every step."""
    _, whole = run(name)
    for place, call in enumerate(whole, start=1):
        if name == "postdeploy" and call.startswith(("az ", "lineage setup")):
            continue  # the first is tried again by the hook itself, after the second there is more to say: see below
        status, calls = run(name, FAIL_AT=str(place))
        assert status != 0, call
        assert calls == whole[:place]
        assert run(name) == (0, whole)


def test_subscription_is_tried_again_until_event_grid_sees_the_function(run: Hook) -> None:
    """It takes minutes after the first deployment."""
    status, calls = run("postdeploy", FAIL_AT="3")
    assert status == 0
    assert programs(calls)[2:5] == ["az deployment", "sleep 30", "az deployment"]
    assert programs(calls)[-1] == "lineage doctor"


def test_subscription_is_not_tried_for_ever(run: Hook, tmp_path: Path) -> None:
    """After five tries the hook fails, with the error that Azure gave."""
    (tmp_path / "bin/az").write_text('#!/bin/sh\necho "az $*" >> log\nexit 1\n')
    status, calls = run("postdeploy")
    assert status == 1
    assert programs(calls).count("az deployment") == 5
    assert not any(call.startswith("lineage") for call in calls)


def test_set_up_that_is_refused_is_followed_by_what_else_is_wrong(run: Hook) -> None:
    """At once, since waiting does not help then; and the hook fails."""
    status, calls = run("postdeploy", FAIL_AT="4")
    assert status == 1
    assert calls[3:] == ["lineage setup", "lineage doctor --links"]


def test_private_network_leaves_set_up_to_a_machine_inside(run: Hook) -> None:
    """From here Purview and storage could not be reached, and the hook would fail for nothing."""
    status, calls = run("postdeploy", LINEAGE_PRIVATE_NETWORK="true")
    assert status == 0
    assert programs(calls)[-1] == "az deployment"


def _steps(script: str, continuation: str) -> list[str]:
    """Return the commands of a script, each on one line, without what the shell itself does."""
    joined = re.sub(rf"{re.escape(continuation)}\n\s*", "", script)
    lines = (re.sub(r"^(until|if|elif) |; then$| \|\| true$", "", line.strip()) for line in joined.splitlines())
    lines = (re.sub(r"^(until|if|elif) ", "", line) for line in lines)
    return [line for line in lines if re.match(r"(az|python3|echo|\.venv/bin/\w+) ", line)]
