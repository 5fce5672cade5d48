"""What GitHub runs for us: the same gate as everybody else, no secrets, no more rights than needed."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PRODUCTION = "3.12"
TRUSTED = ("actions/", "Azure/", "azure/")


def read(path: Path) -> dict[Any, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict), path.name
    return content


def workflow(name: str) -> dict[Any, Any]:
    return read(ROOT / ".github" / "workflows" / f"{name}.yml")


def steps(content: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in content["jobs"].values() for step in job["steps"]]


def commands(content: dict[Any, Any]) -> list[str]:
    return [step["run"].strip() for step in steps(content) if "run" in step]


def test_workflows_are_these_two() -> None:
    """One more has to be held to what follows by name."""
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "deploy.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_has_triggers_rights_and_limits(path: Path) -> None:
    """Rights are given for the whole workflow and not raised in a job; no job runs for ever, none twice at once."""
    content = read(path)
    assert content[True]  # YAML 1.1 takes the key `on` for a truth value
    assert content["permissions"].pop("contents") == "read"
    assert content["permissions"] == ({"id-token": "write"} if path.name == "deploy.yml" else {})
    assert content["concurrency"]["group"]
    for job in content["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 60
        assert "permissions" not in job


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_uses_no_secret(path: Path) -> None:
    """Not even the one that GitHub hands out: the checkout leaves none behind for later steps."""
    assert not re.search(r"\bsecrets\b|GITHUB_TOKEN|github\.token", path.read_text(encoding="utf-8"))
    [checkout] = [step for step in steps(read(path)) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_of_those_we_trust(path: Path) -> None:
    """GitHub's and Microsoft's own, by major version."""
    used = [step["uses"] for step in steps(read(path)) if "uses" in step]
    assert used
    assert [each for each in used if not each.startswith(TRUSTED) or not re.search(r"@v\d+$", each)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_text_that_others_write_is_never_part_of_a_command(path: Path) -> None:
    """A title or a branch name in an expression would be run by the shell; commands take variables instead."""
    assert [each for each in commands(read(path)) if "${{" in each] == []


def test_ci_runs_the_gate_and_nothing_else() -> None:
    """On every push to main and every pull request; what is green there is green on a laptop."""
    content = workflow("ci")
    assert set(content[True]) == {"push", "pull_request"}
    assert commands(content) == ["bash .ci/run"]
    [node] = [step for step in steps(content) if step.get("uses", "").startswith("actions/setup-node@")]
    assert node["with"]["node-version"] == "20"


def allowed_versions() -> list[str]:
    """The range of requires-python."""
    allowed = SpecifierSet(PROJECT["requires-python"])
    return [f"3.{minor}" for minor in range(30) if allowed.contains(f"3.{minor}.0")]


def test_ci_installs_every_python_that_is_allowed() -> None:
    """The last is what `python3` is, as in production."""
    [setup] = [step for step in steps(workflow("ci")) if step.get("uses", "").startswith("actions/setup-python@")]
    versions = setup["with"]["python-version"].split()
    assert sorted(versions) == allowed_versions()
    assert versions[-1] == PRODUCTION


Gate = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Run the gate where `make` only notes what it is called with, with the Pythons that a test installs."""

    def run(
        *installed: str, by_pyenv: Sequence[str] = (), environment_of: str = ""
    ) -> tuple[int, list[str], list[str]]:
        shutil.copytree(ROOT / ".ci", tmp_path / "repository/.ci")
        bin_folder = tmp_path / "bin"
        _write_stub(bin_folder / "make", f'echo "$*" >> {tmp_path}/made')
        for name in ("npm", "chromium"):
            _write_stub(bin_folder / name, "exit 1")
        _write_python(bin_folder / "python3", installed[0] if installed else by_pyenv[0])
        for version in allowed_versions():
            # pyenv leaves a shim for each version, which fails where the version is not chosen.
            _write_python(bin_folder / f"python{version}", version if version in installed else "")
        for version in by_pyenv:
            _write_python(tmp_path / f"pyenv/versions/{version}.1/bin/python", version)
        if environment_of:
            _write_python(tmp_path / "repository/.venv/bin/python", environment_of)
        done = subprocess.run(  # noqa: S603
            ["/bin/bash", str(tmp_path / "repository/.ci/run")],
            env={"PATH": f"{bin_folder}:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path / "pyenv")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        made = (tmp_path / "made").read_text().replace(str(tmp_path), "").splitlines()
        return done.returncode, made, done.stdout.splitlines()

    return run


def _write_stub(path: Path, command: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)


def _write_python(path: Path, version: str) -> None:
    """Write what answers as a Python of a version would, or as a shim of none."""
    answers = f"""case "$*" in --version) echo "Python {version}.1";; *"'{version}'"*) exit 0;; *) exit 1;; esac"""
    _write_stub(path, answers if version else "exit 127")


def test_gate_runs_all_on_the_python_of_production_and_the_fast_tests_on_the_others(gate: Gate) -> None:
    """However they are installed."""
    assert gate("3.11", by_pyenv=("3.12", "3.13")) == (
        0,
        [
            "lint PYTHON=/pyenv/versions/3.12.1/bin/python",
            "scan",
            "test",
            "check PYTHON=/bin/python3.11 VENV=.venv/3.11",
            "check PYTHON=/pyenv/versions/3.13.1/bin/python VENV=.venv/3.13",
            "lock-check",
        ],
        [],
    )


def test_gate_knows_which_python_production_has() -> None:
    """The templates, the deployment's package and the dev container have it too."""
    assert f"PRODUCTION={PRODUCTION}\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert f"version: '{PRODUCTION}'" in (ROOT / "infra/modules/function-app.bicep").read_text(encoding="utf-8")
    [setup] = [step for step in steps(workflow("deploy")) if step.get("uses", "").startswith("actions/setup-python@")]
    assert setup["with"]["python-version"] == PRODUCTION


def test_gate_says_which_python_it_did_not_run(gate: Gate) -> None:
    """Green without a word would be taken for all of them."""
    assert gate("3.12") == (
        0,
        ["lint PYTHON=/bin/python3.12", "scan", "test", "lock-check"],
        [f"Not run, because it is not installed: Python {version}" for version in ("3.11", "3.13")],
    )


def test_gate_without_the_python_of_production_runs_on_the_one_there_is(gate: Gate) -> None:
    """And says that, too."""
    status, made, said = gate("3.11", environment_of="3.11")
    assert (status, made) == (0, ["lint PYTHON=/bin/python3", "scan", "test", "lock-check"])
    assert said == [
        "Not run, because it is not installed: "
        "Python 3.12, which production has: all tests ran on Python 3.11.1 instead",
        "Not run, because it is not installed: Python 3.13",
    ]


def test_gate_makes_an_environment_of_another_python_again(gate: Gate, tmp_path: Path) -> None:
    """What is in it would be used as it is."""
    gate("3.12", environment_of="3.11")
    assert not (tmp_path / "repository/.venv").exists()


def test_gate_passes_shellcheck() -> None:
    """At every level of severity."""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(  # noqa: S603
        [shellcheck, ROOT / ".ci/run"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_deployment_is_by_hand_and_in_order() -> None:
    """The package is checked first; azd signs in with GitHub's own token."""
    content = workflow("deploy")
    assert set(content[True]) == {"workflow_dispatch"}
    assert content["jobs"]["deploy"]["environment"] == "${{ inputs.environment }}"
    variables, first, sign_in, *rest = commands(content)
    assert 'select(.value != "")' in variables  # azd would take an empty one for an answer
    assert first == "make package"
    assert sign_in.startswith("azd auth login ")
    assert "--federated-credential-provider github" in sign_in
    assert [" ".join(command.split()[:3]) for command in rest] == [
        "azd env new",  # hooks are left out without an environment
        "azd provision --no-prompt",
        "azd deploy --no-prompt",
    ]


def test_deployment_is_given_every_variable_of_its_environment() -> None:
    """So that a new parameter of the infrastructure needs no line here; and says what only a pipeline knows."""
    content = workflow("deploy")["jobs"]["deploy"]
    assert content["env"] == {"AZURE_PRINCIPAL_TYPE": "ServicePrincipal"}
    (step,) = (step for step in content["steps"] if "VARIABLES" in step.get("env", {}))
    assert step["env"] == {"VARIABLES": "${{ toJSON(vars) }}"}
    assert step["run"].strip().endswith('<<< "$VARIABLES" >> "$GITHUB_ENV"')


def test_tools_that_the_makefile_pins_are_those_that_the_tests_use() -> None:
    """The scanner reads Bicep as the tests do, and the set-up installs with what makes the lock."""
    pins = set((ROOT / "requirements-dev.txt").read_text(encoding="utf-8").split())
    named = dict(re.findall(r"^(UV|PYCEP) := (\S+)$", MAKEFILE, re.MULTILINE))
    assert set(named) == {"UV", "PYCEP"}
    assert set(named.values()) <= pins


def test_dependencies_of_every_kind_are_kept_current() -> None:
    """Weekly and in groups, one request for each kind."""
    content = read(ROOT / ".github" / "dependabot.yml")
    updates = {each["package-ecosystem"]: each for each in content["updates"]}
    assert set(updates) == {"pip", "npm", "github-actions", "devcontainers"}
    for update in updates.values():
        assert update["schedule"] == {"interval": "weekly"}
        assert [group["patterns"] for group in update["groups"].values()] == [["*"]]


def test_devcontainer_has_what_the_documentation_asks_for() -> None:
    """The Python of production, Node for Azurite, the tools to run and deploy; its command names our targets."""
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    content = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert content["image"] == "mcr.microsoft.com/devcontainers/python:3.12-bookworm"
    features = {name.rpartition("/")[2].partition(":")[0]: options for name, options in content["features"].items()}
    assert set(features) == {"azd", "azure-cli", "azure-functions-core-tools", "github-cli", "node"}
    assert features["azure-cli"]["installBicep"] is True
    assert features["node"]["version"] == "20"
    make, *targets = content["postCreateCommand"].split()
    assert make == "make"
    assert [target for target in targets if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)] == []
    assert set(content["portsAttributes"]) == {str(port) for port in content["forwardPorts"]}
