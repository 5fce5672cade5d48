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
        began, hour: when the run began and when it had ended; of a data asset that it read, when that was registered.
        is_of_asset: whether that is the registration of a data asset or, of what was written, a data asset.
    """

    run: str
    root: str
    path: str
    shown: str
    began: int
    hour: int
    is_folder: bool
    is_of_asset: bool = False


def edges_around(reads: Collection[Use], writes: Collection[Use]) -> Iterator[tuple[str, str]]:
    """Yield what follows: from what a run wrote to a run that reads around it, or to the registration it reads."""
    for read in reads:
        readers = {each.run for each in reads if each.shown == read.shown} if read.is_of_asset else {read.run}
        for write in _around(read, writes):
            same = any(each.shown == write.shown and each.run == read.run for each in writes) and not read.is_of_asset
            if write.shown != read.shown and write.run not in readers and (not same or write.hour <= read.began):
                yield write.shown, read.shown if read.is_of_asset else read.run


def _around(read: Use, writes: Collection[Use]) -> Iterator[Use]:
    known = [each for each in writes if each.root == read.root]
    if read.is_folder and not _is_of_one_run(read.path):
        yield from (each for each in known if each.path.startswith(f"{read.path}/") and _is_possible(read, each, known))
    # It is known who wrote the very place.
    if exact := [each for each in known if each.path == read.path and each.run != read.run and _was_there(read, each)]:
        registered = [each for each in exact if each.is_of_asset]
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
    Whether a run read what another wrote: not what it wrote itself, nor what was written too late.

    Where it wrote the same place itself, it read what another had written when it began.
    """
    wrote_itself = any(each.path == write.path and each.run == read.run for each in writes) and not read.is_of_asset
    if write.run == read.run or (wrote_itself and write.hour > read.began):
        return False
    return _was_there(read, write)


def _was_there(read: Use, write: Use) -> bool:
    """
    Whether a run that wrote can have done so in time.

    Of two runs that overlapped, one that began and ended later is the later one. A data asset is made of what runs
    wrote that had begun when it was registered.
    """
    if read.is_of_asset:
        return write.began <= read.hour
    return write.began <= read.hour and (write.began <= read.began or write.hour <= read.hour)


def _is_of_one_run(path: str) -> bool:
    """Whether a folder is one that Azure ML named after a run: only this one writes in it."""
    return path.startswith("azureml/") and path.count("/") > 1
