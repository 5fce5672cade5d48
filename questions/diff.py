"""What is different between two model versions: data, settings, packages, metrics."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from questions.asset_facts import is_data, metrics_of, settings_of, version_of
from questions.walk import Walker, order
from shared.catalog.kinds import DATA_ASSET, METRICS, PACKAGES, SETTINGS, STEP, Role, kind_of
from shared.purview.reader import INPUT, OUTPUT, Asset

SECTIONS = ("data", "settings", "packages", "metrics")
_OF_RUN = ("component", "command", "environment", "compute_target", "git_repository", "git_branch", "git_commit")


@dataclass(frozen=True, slots=True)
class Difference:
    """
    What two model versions do not have in common.

    Attributes:
        section: one of `SECTIONS`.
        name: of the data, the setting, the package or the metric; what belongs to an earlier run than the one that
            made the model begins with that run's name.
        before, after: the version or value; "" where only the other side has it.
    """

    section: str
    name: str
    before: str
    after: str


def diff(walker: Walker, before: str, after: str) -> tuple[Difference, ...]:
    """Compare what two model versions (guids) were made of, by section and name."""
    one, other = _ingredients(walker, before), _ingredients(walker, after)
    return tuple(
        Difference(section, name, one[section].get(name, ""), other[section].get(name, ""))
        for section in SECTIONS
        for name in sorted(one[section].keys() | other[section].keys())
        if one[section].get(name) != other[section].get(name)
    )


def _ingredients(walker: Walker, model: str) -> Mapping[str, Mapping[str, str]]:
    graph = walker.walk([model], INPUT)
    whole = walker.read(graph)
    makers = {each.guid for each in whole[model].next(INPUT)}
    runs = sorted((asset for asset in whole.values() if asset.type_name == STEP), key=order)
    near = walker.read(each for run in runs for each in _described_by(run))  # of all runs at once, and not of each
    walker.read(each.guid for asset in near.values() for each in asset.related.get("package", ()))
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    found["data"] = _data(asset for guid, asset in whole.items() if guid != model)
    same = Counter(run.name for run in runs)
    for run in runs:
        prefix = "" if run.guid in makers else f"{run.name if same[run.name] == 1 else run.qualified_name}: "
        for section, members in _of_run(walker, run):
            found[section].update((f"{prefix}{name}", value) for name, value in members.items())
    return found


def _of_run(walker: Walker, run: Asset) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "settings", {name: str(run.attributes[name]) for name in _OF_RUN if name in run.attributes}
    for asset in walker.read(_described_by(run)).values():
        if asset.type_name == SETTINGS:
            yield "settings", settings_of(asset)
        elif asset.type_name == METRICS:
            yield "metrics", metrics_of(asset)
        elif asset.type_name == PACKAGES:
            packages = walker.read(each.guid for each in asset.related.get("package", ()))
            yield "packages", {package.name: version_of(package) or "any" for package in packages.values()}


def _described_by(run: Asset) -> Iterator[str]:
    """Yield what a run has beside its data: settings, metrics, packages."""
    ends = (each for side in (INPUT, OUTPUT) for each in run.next(side))
    return (each.guid for each in ends if kind_of(each.type_name).role is Role.DESCRIBES_RUN)


def _data(assets: Iterable[Asset]) -> dict[str, str]:
    """Name source data and versions of data assets; what is in between carries run ids and always differs."""
    versions: dict[str, list[str]] = {}
    for asset in assets:
        if asset.type_name == DATA_ASSET:
            versions.setdefault(asset.name.rpartition(":")[0] or asset.name, []).append(
                str(asset.attributes.get("version") or asset.name.rpartition(":")[2])
            )
        elif is_data(asset) and not asset.next(INPUT):
            versions.setdefault(asset.qualified_name, []).append("read")
    return {name: ", ".join(sorted(listed)) for name, listed in versions.items()}
