"""What the questions answer on the reference graphs, word for word, and what a bundle for an auditor holds."""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import cli
from emulator.server import Emulator
from tests.harness.app import WS, App

GOLDEN = Path(__file__).parent.parent / "golden" / "questions"
QUESTIONS = {
    "impact-loan": "impact loan.csv",
    "impact-loan-live": "impact loan.csv --live",
    "impact-loan-json": "impact loan.csv --live --json",
    "impact-test-mermaid": "impact test.csv --mermaid",
    "impact-report": f"impact {WS}/models/creditrisk_model/versions/1",
    "origin-model": "origin creditrisk_model:2",
    "origin-endpoint-json": "origin creditrisk-endpoint --json",
    "origin-report": "origin 99999999-5555-0000-0000-000000000002",
    "origin-source": "origin loan.csv",
    "packages": "packages scikit-learn<1.6",
    "packages-live-json": "packages scikit_learn<1.6 --live --json",
    "packages-none": "packages scikit-learn<1.5",
    "diff": "diff creditrisk_model:1 creditrisk_model:2",
    "diff-json": "diff creditrisk_model:1 creditrisk_model:2 --json",
    "diff-same": "diff creditrisk_model:2 creditrisk_model:2",
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Both reference graphs in a catalog that these tests only read."""
    with Emulator(scenario="credit-risk") as emulator:
        app = App.on(emulator, tmp_path_factory.mktemp("state") / "lineage.sqlite")
        app.replay()
        list(app.services.catalog.search("x"))  # the index catches up
        yield app


def ask(app: App, *words: str) -> Result:
    """Run `lineage` with the settings of the app."""
    storage = f"sqlite:///{app.services.settings.storage}"
    return CliRunner().invoke(cli, words, env={**os.environ, **app.emulator.environment(storage)})


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_answer_on_the_reference_graphs_equals_the_golden(published: App, name: str, update_golden: bool) -> None:
    """Every verb, as text and as JSON."""
    result = ask(published, *QUESTIONS[name].split())
    assert result.exit_code == 0, result.output
    path = GOLDEN / f"{name}.txt"
    if update_golden:
        path.parent.mkdir(exist_ok=True)
        path.write_text(result.stdout, encoding="utf-8")
    assert result.stdout == path.read_text(encoding="utf-8"), "see --update-golden"


def test_a_bundle_equals_the_golden_and_its_manifest_has_every_hash(
    published: App, tmp_path: Path, update_golden: bool
) -> None:
    """Lineage, runs, settings, metrics, packages, events and evidence; the hashes are those of the bytes."""
    bundle = tmp_path / "audit.zip"
    result = ask(published, "audit", "creditrisk_model:2", "--out", str(bundle))
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(bundle) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(contents.pop("manifest.json"))
    assert {name: each["sha256"] for name, each in manifest["files"].items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in contents.items()
    }
    assert all(f"{each['sha256']}  {name}" in result.stdout for name, each in manifest["files"].items())
    assert manifest["asset"]["qualifiedName"] == f"{WS}/models/creditrisk_model/versions/2"
    folder = GOLDEN / "audit"
    if update_golden:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            (folder / name).write_bytes(data)
    assert contents == {path.name: path.read_bytes() for path in folder.iterdir()}, "see --update-golden"


def test_a_bundle_is_the_same_bytes_each_time(published: App, tmp_path: Path) -> None:
    """Apart from the manifest, which says when."""
    for name in ("one.zip", "other.zip"):
        assert ask(published, "audit", "creditrisk_model:2", "--out", str(tmp_path / name)).exit_code == 0
    with zipfile.ZipFile(tmp_path / "one.zip") as one, zipfile.ZipFile(tmp_path / "other.zip") as other:
        assert one.namelist() == other.namelist()
        assert {name: one.read(name) for name in one.namelist()[:-1]} == {
            name: other.read(name) for name in other.namelist()[:-1]
        }


def test_a_bundle_never_replaces_another(published: App, tmp_path: Path) -> None:
    """A bundle that was handed out already stays."""
    bundle = tmp_path / "audit.zip"
    bundle.write_text("precious")
    result = ask(published, "audit", "creditrisk_model:2", "--out", str(bundle))
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert bundle.read_text() == "precious"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("audit", "loan.csv", "--out", "{folder}/x.zip"), "is not a model version"),
        (("packages", "scikit-learn <<1"), "REQUIREMENT"),
        (("packages", "scikit-learn[extra]"), "only a name and versions"),
        (("impact", "absent-asset"), "finds no asset named"),
        (("impact", "loan.csv", "--json", "--mermaid"), "exclude each other"),
    ],
)
def test_a_question_that_makes_no_sense_says_why(
    published: App, tmp_path: Path, words: tuple[str, ...], problem: str
) -> None:
    """And nothing is written."""
    result = ask(published, *(word.format(folder=tmp_path) for word in words))
    assert result.exit_code != 0
    assert problem in result.stderr
    assert not list(tmp_path.iterdir())


def test_audit_of_an_endpoint_says_what_answered_at_a_moment(published: App) -> None:
    """The history begins when the endpoint was first read; before that nothing is known."""
    whole = ask(published, "audit", "creditrisk-endpoint")
    assert whole.exit_code == 0
    assert whole.stdout.startswith("blue: creditrisk_model:2, 100 % of the traffic, from ")
    served = json.loads(ask(published, "audit", "creditrisk-endpoint", "--json").stdout)["served"]
    assert [(each["models"], each["until"]) for each in served] == [(["creditrisk_model:2"], "")]
    now = ask(published, "audit", "creditrisk-endpoint", "--at", "2099-01-01")
    assert now.stdout == whole.stdout
    before = ask(published, "audit", "creditrisk-endpoint", "--at", "2020-01-01T12:00")
    assert before.stdout == "Nothing is known of what creditrisk-endpoint served then.\n"
    assert "Served:\n  blue: creditrisk_model:2" in ask(published, "show", "creditrisk-endpoint").stdout
