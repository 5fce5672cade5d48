"""Golden cases: each kind of run, model, deployment and data through the whole path, as the catalog gives it back."""

import json
from pathlib import Path

import pytest

from emulator.server import Emulator
from tests.harness.whole_path import play
from tests.worlds.golden_case import Case, case_names


@pytest.mark.parametrize("name", case_names())
def test_case_played_through_the_whole_path_gives_its_golden_lineage(
    emulator: Emulator, tmp_path: Path, name: str, update_golden: bool
) -> None:
    """Events → queue → publish → catalog; `--update-golden` writes what came out, to be reviewed like code."""
    case = Case.load(name)
    played = play(case, emulator, tmp_path / "lineage.sqlite")
    if update_golden:
        text = json.dumps(played.lineage, indent=1, ensure_ascii=False)
        case.lineage_file.write_text(f"{text}\n", encoding="utf-8")
        text = json.dumps(played.resolved, indent=1, ensure_ascii=False, sort_keys=True)
        case.resolved_file.write_text(f"{text}\n", encoding="utf-8")
    assert played.lineage == json.loads(case.lineage_file.read_text(encoding="utf-8"))
    # `tests/unit/test_golden_core.py` plays the case from this file: it must be what Azure ML really answers.
    assert played.resolved == json.loads(case.resolved_file.read_text(encoding="utf-8"))


def test_every_golden_has_its_case_and_says_what_it_is_about() -> None:
    """A lineage without a case would never be compared; a case says in one line what it is there for."""
    folders = [file.parent for file in Case.load(case_names()[0]).lineage_file.parent.parent.glob("*/lineage.json")]
    assert {folder.name for folder in folders} - {"credit-risk"} == set(case_names())
    abouts = [Case.load(name).about for name in case_names()]
    assert len(set(abouts)) == len(abouts)
    assert not [about for about in abouts if "\n" in about.strip() or not about.endswith(".")]
