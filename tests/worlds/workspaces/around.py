"""What runs read although they did not name it: "Folders and what is in them" of `docs/catalog-model.md`."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

_SHARED_BY_ALL = ("azureml", "LocalUpload", "ExperimentRun", "UI")


@dataclass(frozen=True, slots=True)
class Use:
    """
    That a run read or wrote a place.

    Attributes:
        root: what holds the place, a container.
        path: below that.
        shown: the name of what the graph shows there; of a data asset that was registered from there, its registration.
        hour: when the run had ended; of a data asset that it read, when that was registered.
        is_of_asset: whether that is the registration of a data asset or, of what was written, a data asset.
    """

    run: str
    root: str
    path: str
    shown: str
    hour: int
    is_folder: bool
    is_of_asset: bool = False


def edges_around(reads: Collection[Use], writes: Collection[Use]) -> Iterator[tuple[str, str]]:
    """Yield what follows: from what a run wrote to a run that reads around it, or to the registration it reads."""
    for read in reads:
        readers = {each.run for each in reads if each.shown == read.shown} if read.is_of_asset else {read.run}
        for write in _around(read, writes):
            others = {each.run for each in writes if each.shown == write.shown}
            if write.shown != read.shown and readers.isdisjoint(others):
                yield write.shown, read.shown if read.is_of_asset else read.run


def _around(read: Use, writes: Collection[Use]) -> Iterator[Use]:
    known = [each for each in writes if each.root == read.root]
    if read.is_folder and not _is_of_one_run(read.path):
        yield from (each for each in known if each.path.startswith(f"{read.path}/") and _is_possible(read, each, known))
    if any(each.path == read.path for each in known):  # it is known who wrote the very place
        registered = [each for each in known if each.path == read.path and each.is_of_asset]
        yield from (each for each in registered if read.is_of_asset and _is_possible(read, each, known))
        return
    folder = read.path
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        found = [each for each in known if each.path == folder and _is_possible(read, each, known)]
        if found and folder not in _SHARED_BY_ALL:
            yield from found
            return


def _is_possible(read: Use, write: Use, writes: Collection[Use]) -> bool:
    """
    Whether a run read what another wrote: not what it wrote itself, nor what was written after it had ended.

    A data asset is made of what was there when it was registered.
    """
    wrote_itself = any(each.path == write.path and each.run == read.run for each in writes)
    return not wrote_itself and write.hour <= read.hour


def _is_of_one_run(path: str) -> bool:
    """Whether a folder is one that Azure ML named after a run: only this one writes in it."""
    return path.startswith("azureml/") and path.count("/") > 1
