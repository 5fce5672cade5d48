"""Where a setting of the app is named: in the code that reads it, the README and the parameters of the templates."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigurationError
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
CODE = (ROOT / "shared/settings.py").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARAMETERS: dict[str, Any] = json.loads((ROOT / "infra/main.parameters.json").read_text(encoding="utf-8"))["parameters"]


def settings_in_code(code: str = CODE) -> set[str]:
    """Return the settings that are read."""
    return set(re.findall(r'"((?:LINEAGE|PURVIEW)_[A-Z_]+)"', code))


def switches_in_code(settings: type[Settings] = Settings, code: str = CODE) -> set[str]:
    """Return the settings that are on or off, which is what they say of another value."""
    with pytest.raises(ConfigurationError) as refused:
        settings.from_env(dict.fromkeys(settings_in_code(code), "?"))
    return {each.partition(":")[0] for each in refused.value.problems if each.endswith("is not one of off, on")}


def settings_in_readme() -> set[str]:
    """Return the settings in the README's table."""
    return set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))


def switches_in_parameters() -> dict[str, str]:
    """Return the switches that azd hands to the templates, each with the variable that azd takes it from."""
    return dict(PARAMETERS["switches"]["value"])
