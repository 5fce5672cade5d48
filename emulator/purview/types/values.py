"""Attribute values: what each attribute type accepts, refuses and turns into something else."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from emulator.purview.errors import AtlasError, Code
from emulator.purview.wire import java_text

INT_BITS = {"byte": 8, "short": 16, "int": 32, "long": 64, "biginteger": 4096}
FLOATS = ("float", "double", "bigdecimal")
PRIMITIVES = (*INT_BITS, *FLOATS, "boolean", "string", "date")
DATE_FORMAT = "%Y-%m-%dT%H:%M:%S.%f%z"


@dataclass(frozen=True, slots=True)
class Reference:
    """A stored reference to an entity."""

    guid: str


Resolve: TypeAlias = Callable[[object], Reference]


class InvalidValueError(Exception):
    """The value does not fit the type; carries the type's name as the service writes it."""


class ValueType(Protocol):
    """The type of an attribute's value."""

    @property
    def name(self) -> str:
        """Name of the type, as in ``attributeDef.typeName``."""

    @property
    def empty(self) -> object:
        """What an omitted or cleared value becomes."""

    def coerce(self, value: object, resolve: Resolve) -> object:
        """Return the value to store; raises InvalidValueError."""

    def references(self, value: object) -> Iterator[object]:
        """Yield the references inside a value of a client, in any shape."""


@dataclass(frozen=True, slots=True)
class PrimitiveType:
    """Numbers, booleans, strings and dates."""

    name: str

    @property
    def empty(self) -> object:
        """Return zero, false or null."""
        if self.name == "boolean":
            return False
        if self.name == "string":
            return None
        return 0.0 if self.name in FLOATS else 0

    def coerce(self, value: object, resolve: Resolve) -> object:
        """Turn text into numbers and anything into text, as the service does."""
        if self.name == "string":
            return java_text(value)
        if self.name == "boolean":
            return self._flag(value)
        if self.name == "date":
            return self._date(value)
        return self._number(value)

    def references(self, value: object) -> Iterator[object]:
        """Yield nothing: no reference hides in a primitive value."""
        yield from ()

    def _flag(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise InvalidValueError(self.name)

    def _number(self, value: object) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise InvalidValueError(self.name)
        try:
            if self.name in FLOATS:
                return float(value)
            number = int(value)
        except (ValueError, OverflowError) as problem:
            raise InvalidValueError(self.name) from problem
        limit = 1 << (INT_BITS[self.name] - 1)
        if not -limit <= number < limit:
            raise InvalidValueError(self.name)
        return number

    def _date(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise InvalidValueError(self.name)
        if not isinstance(value, str):
            return int(value)
        if not value:
            return 0
        try:
            moment = datetime.strptime(value, DATE_FORMAT)  # noqa: DTZ007 - the format has %z
        except ValueError as problem:
            raise InvalidValueError(self.name) from problem
        return round(moment.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class EnumType:
    """One of a set of words, in any case."""

    name: str
    words: tuple[str, ...]

    @property
    def empty(self) -> object:
        """Return null."""
        return None

    def coerce(self, value: object, resolve: Resolve) -> object:
        """Return the word as the enumDef writes it."""
        for word in self.words:
            if isinstance(value, str) and word.lower() == value.lower():
                return word
        raise InvalidValueError(self.name)

    def references(self, value: object) -> Iterator[object]:
        """Yield nothing: an enum value is a word."""
        yield from ()


@dataclass(frozen=True, slots=True)
class StructType:
    """A structDef: named values without an identity."""

    name: str
    fields: Mapping[str, "Field"]

    @property
    def empty(self) -> object:
        """Return null."""
        return None

    def coerce(self, value: object, resolve: Resolve) -> object:
        """Accept ``{typeName, attributes}`` and the bare attributes."""
        if not isinstance(value, dict):
            raise AtlasError(Code.INVALID_STRUCT, java_text(value))
        given = self._given(value)
        stored: dict[str, object] = {}
        for name, item in self.fields.items():
            if given.get(name) is not None:
                stored[name] = item.value_type.coerce(given[name], resolve)
            elif not item.is_optional:
                raise InvalidValueError(self.name)
            else:
                stored[name] = item.value_type.empty
        return {"typeName": self.name, "attributes": stored}

    def references(self, value: object) -> Iterator[object]:
        """Yield the references of the fields."""
        if isinstance(value, dict):
            given = self._given(value)
            for name, item in self.fields.items():
                if given.get(name) is not None:
                    yield from item.value_type.references(given[name])

    @staticmethod
    def _given(value: Mapping[str, object]) -> Mapping[str, object]:
        inner = value.get("attributes")
        return inner if isinstance(inner, dict) and "typeName" in value else value


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct."""

    value_type: ValueType
    is_optional: bool


@dataclass(frozen=True, slots=True)
class ArrayType:
    """``array<x>``."""

    element: ValueType

    @property
    def name(self) -> str:
        """Name of the type."""
        return f"array<{self.element.name}>"

    @property
    def empty(self) -> object:
        """Return null, but an empty list for structs."""
        return [] if isinstance(self.element, StructType) else None

    def coerce(self, value: object, resolve: Resolve) -> object:
        """Refuse anything but a list; its nulls are dropped."""
        if not isinstance(value, list):
            raise InvalidValueError(self.name)
        return [self.element.coerce(item, resolve) for item in value if item is not None]

    def references(self, value: object) -> Iterator[object]:
        """Yield the references of the elements."""
        if isinstance(value, list):
            for item in value:
                yield from self.element.references(item)


@dataclass(frozen=True, slots=True)
class MapType:
    """``map<k,v>``."""

    key: ValueType
    item: ValueType

    @property
    def name(self) -> str:
        """Name of the type."""
        return f"map<{self.key.name},{self.item.name}>"

    @property
    def empty(self) -> object:
        """Return null."""
        return None

    def coerce(self, value: object, resolve: Resolve) -> object:
        """Refuse anything but an object; keys and values are coerced."""
        if not isinstance(value, dict):
            raise InvalidValueError(self.name)
        return {
            str(self.key.coerce(key, resolve)): None if item is None else self.item.coerce(item, resolve)
            for key, item in value.items()
        }

    def references(self, value: object) -> Iterator[object]:
        """Yield the references of the values."""
        if isinstance(value, dict):
            for item in value.values():
                yield from self.item.references(item)


@dataclass(frozen=True, slots=True)
class ReferenceType:
    """A reference to an entity of a type, kept in a plain attribute."""

    name: str

    @property
    def empty(self) -> object:
        """Return null."""
        return None

    def coerce(self, value: object, resolve: Resolve) -> object:
        """Return what the reference resolved to."""
        return resolve(value)

    def references(self, value: object) -> Iterator[object]:
        """Yield the value itself."""
        yield value
