"""Which models and endpoints a package got into."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from questions.impact import find_live
from questions.walk import Walker, order
from shared.catalog import qualified_names
from shared.catalog.kinds import ENDPOINT, MODEL
from shared.model import WorkspaceId
from shared.places.uris import AssetReference, parse_reference
from shared.purview.reader import INPUT, OUTPUT, Asset

YES, MAYBE = "yes", "maybe"
TRAINED, SERVES = "trained with", "serves with"


@dataclass(frozen=True, slots=True)
class Use:
    """
    A model version or an endpoint that has a package.

    Attributes:
        environment: the environment version the package is in.
        package: what the environment asks for.
        how: `trained with` if a run used it on the way to the asset, `serves with` if a deployment runs in it.
        certainty: `yes`, or `maybe` where the environment pins no version, and what was installed is not known.
    """

    asset: Asset
    environment: Asset
    package: Asset
    how: str
    certainty: str
    live: bool


def find_uses(
    walker: Walker, wanted: Requirement, packages: Iterable[str], deployments: Iterable[str]
) -> tuple[Use, ...]:
    """
    Walk from environments that have a package to what was made with it, and look for what runs in it.

    Args:
        wanted: a name and a constraint on its version, as `scikit-learn<1.5`.
        packages: guids of packages of that name.
        deployments: guids of deployments; the environment one runs in is in its attributes and not in its lineage.
    """
    fitting = [(package, fits) for package in walker.read(packages).values() if (fits := _fits(wanted, package))]
    environments = walker.read(each.guid for package, _ in fitting for each in package.related.get("packages", ()))
    walker.walk(environments, OUTPUT)  # all of them at once takes fewer requests than one after the other
    running = _by_environment(walker.read(deployments).values())
    live = _live(walker, running)
    uses = []
    for package, certainty in fitting:
        for parent in package.related.get("packages", ()):
            if parent.guid not in environments:
                continue
            environment = environments[parent.guid]
            for how, each in _users(walker, environment, running.get(environment.qualified_name, ())):
                uses.append(Use(walker.asset(each), environment, package, how, certainty, each in live))
    return tuple(sorted(uses, key=lambda use: (order(use.asset), order(use.package), use.how)))


def _users(walker: Walker, environment: Asset, running: Iterable[Asset]) -> list[tuple[str, str]]:
    reached = walker.walk([environment.guid], OUTPUT)
    made = [each for each in reached if walker.asset(each).type_name in (MODEL, ENDPOINT)]
    served = [each.guid for deployment in running for side in (INPUT, OUTPUT) for each in deployment.next(side)]
    return list(dict.fromkeys([*((TRAINED, each) for each in made), *((SERVES, each) for each in served)]))


def _fits(wanted: Requirement, package: Asset) -> str:
    """Return how sure it is that a package is one that is asked for; "" if it is not."""
    if canonicalize_name(package.name) != canonicalize_name(wanted.name):
        return ""
    version = str(package.attributes.get("version") or "")
    if not version:
        return MAYBE
    try:
        return YES if wanted.specifier.contains(Version(version), prereleases=True) else ""
    except InvalidVersion:  # conda's and R's are no Python versions
        return MAYBE


def _by_environment(deployments: Iterable[Asset]) -> dict[str, list[Asset]]:
    found: dict[str, list[Asset]] = {}
    for deployment in deployments:
        if name := _qualified(str(deployment.attributes.get("environment") or "")):
            found.setdefault(name, []).append(deployment)
    return found


def _qualified(environment: str) -> str:
    """
    Name an environment as its entity is named; "" for what names none, an image for instance.

    >>> ws = "/subscriptions/S/resourceGroups/RG/providers/Microsoft.MachineLearningServices/workspaces/WS"
    >>> _qualified(f"{ws}/environments/Sklearn/versions/3")
    'azureml://subscriptions/s/resourcegroups/rg/workspaces/ws/environments/Sklearn/versions/3'
    """
    if qualified_names.parse(environment):
        return environment
    match parse_reference(environment):
        case AssetReference(asset, WorkspaceId() as workspace):
            return qualified_names.of_asset(workspace, asset)
    return ""


def _live(walker: Walker, running: Mapping[str, list[Asset]]) -> set[str]:
    """Return the served model versions that were met, and the endpoints that serve them."""
    models = {each.guid for group in running.values() for deployment in group for each in deployment.next(INPUT)}
    deployed = find_live(walker, {*models, *walker.met(MODEL)})
    endpoints = {each.guid for group in deployed.values() for deployment in group for each in deployment.next(OUTPUT)}
    return {*deployed, *endpoints}
