"""Whether the app settings are right; with those that are not left out, the others can be tried all the same."""

from collections.abc import Mapping
from pathlib import Path

from cli.admin.checks.check import Check, ProblemError, UncheckedError
from shared.bootstrap import Services
from shared.errors import ConfigurationError
from shared.settings import Settings
from shared.state.sqlite import open_state

_STAND_INS = {
    "PURVIEW_ENDPOINT": "https://127.0.0.1:1",
    "LINEAGE_WORKSPACES": "/subscriptions/none",
    "LINEAGE_STORAGE": "sqlite:///lineage-doctor.sqlite",
}
"""In place of a required setting that is missing or wrong, so that the rest can be read; nothing is asked of them."""


def open_what_is_right(environ: Mapping[str, str]) -> tuple[Services, Mapping[str, str]]:
    """Return services of the settings that are right, and of each one that is not, by name, what is wrong with it."""
    problems: dict[str, str] = {}
    settings = None
    while settings is None:
        try:
            settings = Settings.from_env(environ)
        except ConfigurationError as error:
            found = {problem.partition(":")[0]: problem for problem in error.problems}
            # Required ones first: what is wrong with others may follow from these.
            wrong = found.keys() & _STAND_INS.keys() or found.keys()
            problems |= {name: problem for name, problem in found.items() if name in wrong}
            environ = {
                **{name: value for name, value in environ.items() if name not in wrong},
                **{name: _STAND_INS[name] for name in wrong if name in _STAND_INS},
            }
    services = Services(settings)
    if isinstance(settings.storage, Path) and not settings.storage.exists():
        services.state = open_state(":memory:", now=services.now)  # a check creates no file
    return services, problems


def check_settings(problems: Mapping[str, str]) -> Check:
    def probe() -> str:
        if problems:
            raise ProblemError(
                "; ".join(problems.values()), "Set them as README.md says; after `azd up`: azd env get-values"
            )
        return "all are set and well formed"

    return Check("settings", probe, "")


def wait_for(setting: str, what: str) -> Check:
    """Stand for checks that a missing setting keeps from being made."""

    def probe() -> str:
        raise UncheckedError(f"waits for {setting}")

    return Check(what, probe, "")
