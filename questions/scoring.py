"""Which runs score data with which model versions; what they write are predictions."""

from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

from questions.asset_facts import is_data, is_live
from questions.walk import Walker
from shared.catalog.kinds import DEPLOYMENT, MODEL, STEP
from shared.purview.reader import INPUT, OUTPUT, Asset


def find_scoring(walker: Walker, runs: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """
    Return those of some runs that score, with the model versions they use.

    A run scores if it reads a model version, or the files that one was registered from, or ran for a batch endpoint,
    whose model it may not name. A run that makes a model version from another does not score.
    """
    steps = {
        guid: step
        for guid, step in walker.read(runs).items()
        if step.type_name == STEP and not any(each.type_name == MODEL for each in step.next(OUTPUT))
    }
    data = {each.guid for step in steps.values() for each in step.next(INPUT)}
    files = {guid: asset for guid, asset in walker.read(data).items() if is_data(asset)}
    makers = walker.read({each.guid for asset in files.values() for each in asset.next(INPUT)})
    made = walker.read(
        {each.guid for maker in makers.values() for each in maker.next(OUTPUT) if each.type_name == MODEL}
    )
    registered = {guid: _registered_from(asset, makers, made) for guid, asset in files.items()}
    scoring: dict[str, frozenset[str]] = {}
    for guid, step in steps.items():
        models = {each.guid for each in step.next(INPUT) if each.type_name == MODEL}
        models |= {model for each in step.next(INPUT) for model in registered.get(each.guid, ())}
        if models or step.attributes.get("endpoint"):
            scoring[guid] = frozenset(models)
    return scoring


def find_live(walker: Walker, models: Iterable[str]) -> Mapping[str, tuple[Asset, ...]]:
    """Return those of some model versions that are served, with the deployments that serve them."""
    known = walker.read(models)
    deployments = walker.read(
        {each.guid for model in known.values() for each in model.next(OUTPUT) if each.type_name == DEPLOYMENT}
    )
    live = {
        guid: tuple(
            deployments[each.guid]
            for each in model.next(OUTPUT)
            if each.guid in deployments and is_live(deployments[each.guid])
        )
        for guid, model in known.items()
    }
    return {guid: serving for guid, serving in live.items() if serving}


def _registered_from(data: Asset, makers: Mapping[str, Asset], models: Mapping[str, Asset]) -> frozenset[str]:
    """Return the model versions whose files are this data: their run wrote it, and their path is where it lies."""
    candidates = {
        each.guid
        for maker in data.next(INPUT)
        if maker.guid in makers
        for each in makers[maker.guid].next(OUTPUT)
        if each.guid in models
    }
    return frozenset(guid for guid in candidates if _same_place(str(models[guid].attributes.get("path") or ""), data))


def _same_place(path: str, data: Asset) -> bool:
    """Whether `azureml://…/datastores/{name}/paths/{path}` and a storage URL end alike; only one names the account."""
    inside = unquote(path.partition("/paths/")[2]).strip("/")
    place = unquote(urlsplit(str(data.attributes.get("path") or data.qualified_name)).path).strip("/")
    return bool(inside) and (place == inside or place.endswith(f"/{inside}"))
