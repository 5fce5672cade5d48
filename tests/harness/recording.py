"""Records what the ports on Azure ML answer, as values of the model, and answers the same again from the file."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from cattrs import Converter, override
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn
from cattrs.preconf.json import configure_converter
from cattrs.strategies import configure_tagged_union

from shared import errors
from shared.errors import LineageError
from shared.model import AssetId, Data, ModelVersion, Producer, RunTree, Signature, WorkspaceId
from shared.ports import Inventory, RunSource

CONVERTER = Converter(omit_if_default=True)
"""What has its default is left out, so that a new field of the model changes no file it says nothing in."""
configure_converter(CONVERTER)
configure_tagged_union(Data, CONVERTER, tag_name="is")
_RECORDED_METHODS = {"find_producer": "find_maker"}
_NOT_RECORDED: Mapping[type, str] = {RunTree: "signatures"}
"""Hashes of what the services say, which a recording does not need."""
_RECORDED_FIELDS: Mapping[type, Mapping[str, str]] = {
    RunTree: {"represented_by": "aliases"},
    Producer: {"field": "witness"},
}
"""Names in the recordings that differ from those in the code, so that a renaming changes no recording; parts first."""
for _type, _names in _RECORDED_FIELDS.items():
    _renamed: Any = {name: override(rename=recorded) for name, recorded in _names.items()}
    _renamed |= {_NOT_RECORDED[_type]: override(omit=True)} if _type in _NOT_RECORDED else {}
    CONVERTER.register_unstructure_hook(
        _type, make_dict_unstructure_fn(_type, CONVERTER, _cattrs_omit_if_default=True, **_renamed)
    )
    CONVERTER.register_structure_hook(_type, make_dict_structure_fn(_type, CONVERTER, **_renamed))


@dataclass
class Recorder:
    """Lists for each event what was asked, in order, and what came back: a value, or an error with its words."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, event: str) -> None:
        self.events.append({"event": event, "answers": []})

    def on(self, port: object) -> Any:
        return _Recorded(port, self)

    def note(self, asked: str, **answer: object) -> None:
        # As a file gives it back: no tuples.
        self.events[-1]["answers"].append(json.loads(json.dumps({"asked": asked, **answer})))


@dataclass(frozen=True, slots=True)
class _Recorded:
    port: object
    recorder: Recorder

    def __getattr__(self, method: str) -> Callable[..., Any]:
        returned = _returned(method)

        def ask(*args: object, **options: object) -> Any:
            asked = _format(method, args, options)
            try:
                answer = getattr(self.port, method)(*args, **options)
            except LineageError as error:
                self.recorder.note(asked, error=type(error).__name__, words=str(error))
                raise
            self.recorder.note(asked, answer=CONVERTER.unstructure(answer, returned))
            return answer

        return ask


class Replay:
    """Gives the recorded answers to the recorded questions, asked in the recorded order."""

    def __init__(self, events: Sequence[Mapping[str, Any]]) -> None:
        self._events = iter(events)
        self._answers: list[Mapping[str, Any]] = []

    def begin(self) -> None:
        """Go on to the next event; everything that was asked for the last one must have been asked."""
        assert not self._answers, f"never asked: {self._answers[0]['asked']}"
        self._answers = list(next(self._events, {"answers": []})["answers"])

    def __getattr__(self, method: str) -> Callable[..., Any]:
        returned = _returned(method)

        def ask(*args: object, **options: object) -> Any:
            asked = _format(method, args, options)
            recorded = self._answers.pop(0) if self._answers else {"asked": "nothing more"}
            assert recorded["asked"] == asked
            if "error" in recorded:
                raise getattr(errors, recorded["error"])(recorded["words"])
            return CONVERTER.structure(recorded["answer"], returned)

        return ask


def _returned(method: str) -> Any:
    """Tell the type of a port's answer, which says how to write it and read it."""
    for port in (RunSource, Inventory):
        if method in vars(port):
            return get_type_hints(getattr(port, method))["return"]
    raise AttributeError(method)


def _format(method: str, args: Sequence[object], options: Mapping[str, object]) -> str:
    """Format a question; every case asks about one workspace."""
    words = [_word(each) for each in args if not isinstance(each, WorkspaceId)]
    return " ".join(
        [
            _RECORDED_METHODS.get(method, method),
            *words,
            *(f"{name}={_word(each)}" for name, each in sorted(options.items()) if each and not callable(each)),
        ]
    )


def _word(value: object) -> str:
    match value:
        case ModelVersion():
            return _word(value.id)
        case Signature():
            return " ".join((value.root_id, *value.run_ids))
        case RunTree():
            return value.root_id
        case AssetId():
            return f"{value.registry}/{value.label}" if value.registry else value.label
        case _:
            return str(value)
