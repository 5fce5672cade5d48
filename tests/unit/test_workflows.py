"""What GitHub runs for us: the same gate as everybody else, no secrets, no more rights than needed."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
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


def test_ci_covers_every_python_that_is_allowed() -> None:
    """The matrix is the range of requires-python."""
    versions = workflow("ci")["jobs"]["gate"]["strategy"]["matrix"]["python"]
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert versions == [f"3.{minor}" for minor in range(30) if allowed.contains(f"3.{minor}.0")]


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
