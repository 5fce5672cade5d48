"""Checks that an answer has the shape we read it by, so that what is wrong with it is said by name."""

from collections.abc import Iterator, Mapping, Sequence

from shared.errors import UnreadableAnswerError

Shape = Mapping[str, tuple[type, ...]]
"""Path → what stands there. `*` is each item or member; a path that ends in `!` must not be null or missing."""

OBJECT, LIST, TEXT, NUMBER = (dict,), (list,), (str,), (int, float, str)
_WORDS: Mapping[tuple[type, ...], str] = {OBJECT: "an object", LIST: "a list", TEXT: "text", NUMBER: "a number"}

METADATA: Shape = {
    "runId!": TEXT,
    "rootRunId": TEXT,
    "parentRunId": TEXT,
    "experimentId!": TEXT,
    "status": TEXT,
    "properties": OBJECT,
    "tags": OBJECT,
    "description": TEXT,
    "createdBy": OBJECT,
    "inputs": OBJECT,
    "inputs.*": OBJECT,
    "inputs.*.assetId!": TEXT,
    "outputs": OBJECT,
    "outputs.*": OBJECT,
    "outputs.*.assetId!": TEXT,
    **{
        f"{member}{below}": kind
        for member, details in (("inputDatasets", "inputDetails"), ("outputDatasets", "outputDetails"))
        for below, kind in (
            ("", LIST),
            (".*!", OBJECT),
            (".*.identifier", OBJECT),
            (".*.identifier.savedId", TEXT),
            (f".*.{details}", OBJECT),
        )
    },
}
RUN_DATA: Shape = {
    "runMetadata!": OBJECT,
    **{f"runMetadata.{path}": kind for path, kind in METADATA.items()},
    "runDefinition": OBJECT,
    "runDefinition.arguments": LIST,
    "runDefinition.data": OBJECT,
    "runDefinition.outputData": OBJECT,
    "runDefinition.dataReferences": OBJECT,
    "runDefinition.dataReferences.score": OBJECT,
    "runDefinition.dataReferences.score.dataStoreName": TEXT,
    "runDefinition.dataReferences.score.pathOnDataStore": TEXT,
    "runDefinition.environment.assetId": TEXT,
    "runDefinition.environment.name": TEXT,
    "runDefinition.environment.version": TEXT,
    "runDefinition.environment.python": OBJECT,
    "runDefinition.environment.docker": OBJECT,
    "runDefinition.environmentVariables": OBJECT,
}
MLFLOW_RUN: Shape = {
    "info.run_id": TEXT,
    "data": OBJECT,
    **{
        f"data.{member}{below}": kind
        for member, value in (("metrics", NUMBER), ("params", TEXT), ("tags", TEXT))
        for below, kind in (("", LIST), (".*!", OBJECT), (".*.key!", TEXT), (".*.value", value))
    },
    "inputs": OBJECT,
    "inputs.dataset_inputs": LIST,
    "inputs.dataset_inputs.*!": OBJECT,
    "inputs.dataset_inputs.*.dataset!": OBJECT,
    **{f"inputs.dataset_inputs.*.dataset.{member}": TEXT for member in ("name", "source_type", "source")},
}


def check_shape(body: object, shape: Shape, *, at: str = "") -> None:
    """
    Look at everything a shape speaks of.

    Args:
        at: the path of the body in its answer.

    Raises:
        UnreadableAnswerError: names the first path at which something else stands.

    >>> check_shape({"tags": "x"}, METADATA | {"runId!": TEXT}, at="runMetadata")
    Traceback (most recent call last):
    shared.errors.UnreadableAnswerError: runMetadata.runId: is missing
    """
    for path, kinds in shape.items():
        for where, value in _select(body, path.removesuffix("!").split("."), (at,) if at else ()):
            if value is None and path.endswith("!"):
                raise UnreadableAnswerError(f"{where}: is missing")
            if value is not None and not isinstance(value, kinds):
                raise UnreadableAnswerError(f"{where}: is {value!r:.80}, not {_WORDS[kinds]}")


def _select(body: object, path: Sequence[str], above: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    if not path:
        yield ".".join(above), body
        return
    first, *below = path
    if first != "*":
        if isinstance(body, Mapping):
            yield from _select(body.get(first), below, (*above, first))
    elif isinstance(body, Mapping):
        for name, value in body.items():
            yield from _select(value, below, (*above, str(name)))
    elif isinstance(body, list):
        for value in body:
            yield from _select(value, below, above)
