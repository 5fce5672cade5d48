"""The recipe for a new on/off setting, followed with an invented one: each place that it must reach is checked."""

import sys
from dataclasses import fields
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.recipes.setting_places import (
    CODE,
    settings_in_code,
    settings_in_readme,
    switches_in_code,
    switches_in_parameters,
)
from tests.references.bicep import body_of, templates

INVENTED = "LINEAGE_INVENTED"
ADDED = {
    "    owners: bool = False\n": "    invented: bool = False\n",
    '            owners=reader.choice("LINEAGE_OWNERS", (OFF, ON)) == ON,\n': (
        f'            invented=reader.choice("{INVENTED}", (OFF, ON)) == ON,\n'
    ),
}
"""The field and the reader that the recipe asks for, each after the line that it follows."""


def code_with_invented() -> str:
    code = CODE
    for line, added in ADDED.items():
        assert code.count(line) == 1, line
        code = code.replace(line, line + added)
    return code


@pytest.fixture
def invented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Settings]:
    """The settings with one more."""
    file = tmp_path / "settings_with_invented.py"
    file.write_text(code_with_invented(), encoding="utf-8")
    spec = spec_from_file_location(file.stem, file)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, file.stem, module)
    spec.loader.exec_module(module)
    settings: type[Settings] = module.Settings
    return settings


def test_invented_switch_is_off_until_it_is_on(invented: type[Settings]) -> None:
    """Nothing but its own name changes it."""
    environ = {"PURVIEW_ENDPOINT": "https://p", "LINEAGE_WORKSPACES": "/subscriptions/s", "LINEAGE_STORAGE": "azurite"}
    assert [field.name for field in fields(invented) if field.name not in Settings.__slots__] == ["invented"]
    off, on = (invented.from_env(environ | more) for more in ({}, {INVENTED: "on"}))
    assert (off.invented, on.invented) == (False, True)  # type: ignore[attr-defined]


def test_invented_switch_is_missed_in_the_readme_and_in_the_parameters(invented: type[Settings]) -> None:
    """And nowhere else: these two are compared with the code."""
    code = code_with_invented()
    assert settings_in_code(code) - settings_in_readme() == {INVENTED}
    assert switches_in_code(invented, code) - set(switches_in_parameters()) == {INVENTED}


def test_parameters_have_the_switches_of_the_code() -> None:
    """Each is off by default, and one that the app does not read is not handed to it."""
    assert switches_in_parameters() == {name: f"${{{name}=off}}" for name in switches_in_code()}


def test_templates_hand_on_every_switch_and_name_none() -> None:
    """So that a new one needs no Bicep."""
    every = templates()
    for template in every.values():
        assert [name for name in switches_in_code() if name in template.text] == [], template.name
    app = body_of(every["main"].part("modules")["app"]["config"])
    assert app["params"]["switches"] == "switches"
    settings = body_of(every["modules/function-app"].part("resources")["settings"]["config"])
    assert settings["properties"]["function"]["type"] == "union"
    assert settings["properties"]["function"]["parameters"]["arg_1"] == "switches"
