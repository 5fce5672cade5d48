"""What makes an entity acceptable, and the values that are stored for it."""

import re

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.drafts import Draft
from emulator.purview.errors import AtlasError, Code
from emulator.purview.types.registry import Attribute
from emulator.purview.types.values import InvalidValueError, Resolve
from emulator.purview.wire import Json, as_list, as_object, java_text

WORD = re.compile(r"[A-Za-z0-9_-]+")
LONGEST_WORD = 50
LONGEST_CUSTOM_VALUE = 500


def validate(catalog: Catalog, draft: Draft, resolve: Resolve, *, partial: bool = False) -> None:
    """Fill in the draft's values, or refuse it with the first problem found."""
    entity_type = draft.entity_type
    qualified_name = draft.attributes.get("qualifiedName")
    if qualified_name in catalog.switches.refuse:
        raise AtlasError(Code.INVALID_PARAMETERS, f"entity {qualified_name} is refused")
    for attribute in entity_type.declarations:
        name = attribute.definition.name
        value = draft.attributes.get(name)
        if value is not None:
            draft.values[name] = _coerced(catalog, draft, attribute, value, resolve)
        elif not attribute.definition.is_optional and not partial:
            _refuse_missing(draft, name, attribute.declared_in)
        elif name in draft.attributes:
            draft.values[name] = attribute.cleared
    given = {link.name: value for link, value in draft.links()}
    for link, value in draft.links():
        if link.is_many and value is not None and not isinstance(value, list):
            text = f"{entity_type.name}.{link.name}={java_text(value)}: invalid value for type array<objectid>"
            raise AtlasError(Code.INVALID_ENTITY, text)
    for name, choices in entity_type.relationship_attributes.items():
        mandatory = next((item for item in choices.values() if item.mandatory), None)
        # A composition's child must name its parent every time, even if the parent lists the child.
        if mandatory and given.get(name) is None and (not partial or name in given):
            _refuse_missing(draft, name, mandatory.end_type)


def validate_labels(value: object) -> tuple[str, ...]:
    """Return labels as stored: each once, in order."""
    labels = [java_text(item) for item in as_list(value, "labels")]
    for label in labels:
        if len(label) > LONGEST_WORD:
            raise AtlasError(Code.LABEL_TOO_LONG, label)
        if not WORD.fullmatch(label):
            raise AtlasError(Code.INVALID_LABEL, label)
    return tuple(dict.fromkeys(labels))


def validate_custom_attributes(value: object) -> Json:
    """Return custom attributes as stored."""
    custom = {key: java_text(item) for key, item in as_object(value, "customAttributes").items()}
    for key, item in custom.items():
        if len(key) > LONGEST_WORD or not WORD.fullmatch(key):
            raise AtlasError(Code.INVALID_CUSTOM_KEY, key)
        if len(item) > LONGEST_CUSTOM_VALUE:
            raise AtlasError(Code.INVALID_CUSTOM_VALUE, item)
    return custom


def _coerced(catalog: Catalog, draft: Draft, attribute: Attribute, value: object, resolve: Resolve) -> object:
    path = f"{draft.entity_type.name}.{attribute.definition.name}"
    try:
        coerced = attribute.value_type.coerce(value, resolve)
    except InvalidValueError as problem:
        text = f"{path}={java_text(value)}: invalid value for type {problem}"
        raise AtlasError(Code.INVALID_ENTITY, text) from problem
    limit = catalog.switches.max_attribute_bytes
    if isinstance(coerced, str) and len(coerced) * 4 > limit and len(coerced.encode()) > limit:
        raise AtlasError(Code.INVALID_PARAMETERS, f"the value of {path} is longer than {limit} bytes")
    return coerced


def _refuse_missing(draft: Draft, name: str, declared_in: str) -> None:
    text = f"{draft.entity_type.name}.{name}: mandatory attribute value missing in type {declared_in}"
    raise AtlasError(Code.INVALID_ENTITY, text)
