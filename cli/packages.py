"""`lineage packages`: which models and endpoints a package got into."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from questions.packages import Use


@click.command(short_help="Which models and endpoints have a package.")
@click.argument("requirement")
@click.option("--live", is_flag=True, help="Only model versions that are served, and the endpoints that serve them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def packages(*, requirement: str, live: bool, as_json: bool) -> None:
    """
    List the model versions and endpoints that were trained with a package, or run with it.

    REQUIREMENT is a name and a constraint on its version, as pip takes it. Where an environment pins no version, what
    was installed is not known, and the answer says `maybe`. Packages are found by search, which lags behind.

    Example: lineage packages "scikit-learn<1.6" --live
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    from cli.session import open_reading_services
    from questions.documents import of_uses
    from questions.packages import find_uses
    from questions.walk import Walker
    from shared.catalog.kinds import DEPLOYMENT, PACKAGE

    try:
        wanted = Requirement(requirement)
    except InvalidRequirement as error:
        raise click.BadParameter(str(error), param_hint="REQUIREMENT") from error
    if wanted.url or wanted.marker or wanted.extras:
        raise click.BadParameter("only a name and versions can be asked for", param_hint="REQUIREMENT")
    services = open_reading_services()
    found = services.catalog.list_of_type(PACKAGE, canonicalize_name(wanted.name))
    deployments = services.catalog.list_of_type(DEPLOYMENT)
    walker = Walker(services.lineage)
    uses = find_uses(walker, wanted, [each.guid for each in found], [each.guid for each in deployments])
    shown = [use for use in uses if use.live or not live]
    if as_json:
        click.echo(json.dumps({"requirement": str(wanted), "uses": of_uses(shown)}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(shown, str(wanted), live=live)))


def _lines(uses: "Sequence[Use]", wanted: str, *, live: bool) -> "Iterator[str]":
    if not uses:
        yield f"No {'live ' if live else ''}model version or endpoint is known to have {wanted}."
    for use in uses:
        asked = use.package.attributes.get("version") or use.package.attributes.get("specifier") or "any version"
        maybe = ", so perhaps" if use.certainty == "maybe" else ""
        yield f"{use.asset.name}{' (live)' if use.live else ''}  {use.asset.qualified_name}"
        yield f"  {use.how} {use.environment.name}, which asks for {use.package.name} {asked}{maybe}"
