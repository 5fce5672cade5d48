"""The entry point `lineage`: its verbs, its exit codes, and how errors reach people."""

import importlib
import logging
import sys
from typing import Any

import click

from cli.output import say
from shared.errors import ConfigurationError, LineageError
from shared.printable import lines_of, one_line

FAILED, USAGE = 1, 2

_COMMANDS = {
    "audit": "cli.model_versions",
    "backfill": "cli.backfill",
    "demo": "cli.demo",
    "diff": "cli.model_versions",
    "doctor": "cli.admin.doctor",
    "explore": "cli.explore",
    "impact": "cli.lineage",
    "openlineage": "cli.lineage",
    "origin": "cli.lineage",
    "packages": "cli.lineage",
    "replay": "cli.replay",
    "retire": "cli.admin.retire",
    "retire-accelerator": "cli.admin.retire",
    "setup": "cli.admin.setup",
    "show": "cli.lineage",
    "status": "cli.status",
    "typedefs": "cli.admin.typedefs",
}


class _Verbs(click.Group):
    """Imports a verb's module when the verb is asked for; none of them imports a client before it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            say("The app settings are not right:", err=True)
            for problem in error.problems:
                say(f"  {problem}", err=True)
            sys.exit(USAGE)
        except LineageError as error:
            self._refuse_question(ctx, error)
            say(f"{error.reason}: {error}", err=True)
            sys.exit(FAILED)

    def _refuse_question(self, ctx: click.Context, error: LineageError) -> None:
        """
        Answer as click does where no asset, or not one asset, is what the caller asked for.

        Raises:
            click.ClickException
        """
        from questions.find import AmbiguousAssetError, AssetNotFoundError

        if isinstance(error, AssetNotFoundError):
            raise click.ClickException(one_line(str(error))) from error
        if isinstance(error, AmbiguousAssetError):
            verb = ctx.invoked_subcommand or ""
            command = self.get_command(ctx, verb)
            usage_of = click.Context(command, parent=ctx, info_name=verb) if command else ctx
            raise click.UsageError(lines_of(str(error)), usage_of) from error


class _Facts(logging.Formatter):
    """Appends what a record carries in `extra` to its line."""

    _OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        facts = {name: value for name, value in vars(record).items() if name not in self._OWN and value not in ("", {})}
        return " ".join(
            [lines_of(super().format(record)), *(one_line(f"{name}={value}") for name, value in facts.items())]
        )


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to stderr.")
@click.version_option(package_name="aml-purview-lineage")
def cli(*, verbose: bool) -> None:
    """
    Lineage of Azure Machine Learning in Microsoft Purview.

    The app settings (PURVIEW_ENDPOINT, LINEAGE_WORKSPACES, LINEAGE_STORAGE …) are read from the environment.

    Exit codes: 0 done, 1 some of it failed, 2 wrong usage or settings.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Facts("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    # azure-core's INFO lines hold whole requests.
    logging.getLogger("azure").setLevel(logging.WARNING if verbose else logging.ERROR)


def main() -> None:
    """Run the command line."""
    cli()
