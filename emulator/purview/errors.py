"""The errors of the Atlas v2 API: codes, HTTP statuses and texts as the service words them."""

from enum import Enum
from http import HTTPStatus


class Code(Enum):
    """An Atlas error code, its HTTP status (not always the one in the code) and its text."""

    CIRCULAR_REFERENCE = ("ATLAS-400-00-002", 400, "{}: invalid supertypes - circular reference back to self {}")
    INCOMPATIBLE_SUPERTYPE = ("ATLAS-400-00-003", 400, "{}: incompatible supertype {}")
    MANDATORY_ATTRIBUTE_ADDED = ("ATLAS-400-00-00C", 400, "{}.{} : can not add mandatory attribute")
    ATTRIBUTE_REMOVED = ("ATLAS-400-00-00D", 400, "{}.{} : attribute delete not supported")
    SUPERTYPE_REMOVED = ("ATLAS-400-00-00E", 400, "superType remove not supported")
    BAD_CARDINALITY = ("ATLAS-400-00-012", 400, "Cardinality of attribute {}.{} requires a list or set type")
    NOT_UNIQUE_ATTRIBUTE = ("ATLAS-400-00-013", 400, "Type {} with unique attribute {} does not exist")
    UNKNOWN_TYPE = ("ATLAS-400-00-014", 400, "Type {} with name {} does not exist")
    BAD_TYPE_NAME = (
        "ATLAS-400-00-019",
        400,
        "{}: invalid name for {}. Names must consist of a letter followed by a sequence of letter, number, space, or _ "
        "characters",
    )
    INVALID_PARAMETERS = ("ATLAS-400-00-01A", 400, "invalid parameters: {}")
    INVALID_OBJECT_ID = ("ATLAS-400-00-021", 400, "ObjectId is not valid {}")
    UNKNOWN_ATTRIBUTE = ("ATLAS-400-00-023", 400, "Attribute {} not found for type {}")
    SYSTEM_TYPE = ("ATLAS-400-00-024", 400, "{} is a System-type")
    INVALID_STRUCT = ("ATLAS-400-00-025", 400, "not a valid struct value {}")
    ATTRIBUTE_UPDATE_NOT_SUPPORTED = ("ATLAS-400-00-027", 400, "{}.{} : attribute update not supported")
    INVALID_VALUE = ("ATLAS-400-00-028", 400, "invalid value: {}")
    BAD_REQUEST = ("ATLAS-400-00-029", 400, "{}")
    MISSING_FIELD = ("ATLAS-400-00-02B", 400, "Mandatory field {} has empty/null value")
    DOUBLE_CONTAINER = ("ATLAS-400-00-02D", 400, "invalid relationshipDef: {}: both ends are containers")
    ASSOCIATION_CONTAINER = ("ATLAS-400-00-030", 400, "invalid relationshipDef: {}: ASSOCIATION with a container end")
    COMPOSITION_NO_CONTAINER = ("ATLAS-400-00-031", 400, "invalid relationshipDef: {}: COMPOSITION without a container")
    AGGREGATION_NO_CONTAINER = ("ATLAS-400-00-032", 400, "invalid relationshipDef: {}: AGGREGATION without a container")
    COMPOSITION_SET_CHILD = ("ATLAS-400-00-033", 400, "invalid relationshipDef: {}: COMPOSITION with a SET child end")
    LIST_END = ("ATLAS-400-00-034", 400, "invalid relationshipDef: {}: LIST is not a cardinality of an end")
    END_NOT_ENTITY = ("ATLAS-400-00-035", 400, "invalid relationshipDef: {}: end type {} is not an entity type")
    WRONG_END_TYPE = ("ATLAS-400-00-036", 400, "invalid relationshipDef: {}: end type 1: {}, end type 2: {}")
    END1_CHANGED = ("ATLAS-400-00-037", 400, "invalid relationshipDef update: {}: change of endDef1 is not supported")
    END2_CHANGED = ("ATLAS-400-00-038", 400, "invalid relationshipDef update: {}: change of endDef2 is not supported")
    RELATIONSHIP_CATEGORY_CHANGED = ("ATLAS-400-00-039", 400, "invalid relationshipDef update: {}: category {} to {}")
    RELATIONSHIP_NAME_CHANGED = ("ATLAS-400-00-040", 400, "invalid relationshipDef rename: {} to {}")
    QUERY_TOO_LONG = ("ATLAS-400-00-057", 400, "Length of query param {} exceeds the limit")
    RELATIONSHIP_END_CHANGED = ("ATLAS-400-00-069", 404, "change of relationship end is not permitted: {}")
    RELATIONSHIP_TYPE_CHANGED = ("ATLAS-400-00-06A", 404, "change of relationship type is not permitted: {}")
    INVALID_RELATIONSHIP_END = ("ATLAS-400-00-07D", 400, "Relationship end is invalid. Expected {} but is {}")
    INVALID_CUSTOM_KEY = ("ATLAS-400-00-08D", 400, "invalid custom attribute key {}")
    INVALID_CUSTOM_VALUE = ("ATLAS-400-00-08E", 400, "invalid custom attribute value {}")
    LABEL_TOO_LONG = ("ATLAS-400-00-08F", 400, "invalid label: {}, label size should not be greater than 50 characters")
    INVALID_LABEL = (
        "ATLAS-400-00-090",
        400,
        "invalid label: {}, label should contain alphanumeric characters, _ or -",
    )
    INHERITED_ATTRIBUTE = (
        "ATLAS-400-00-09E",
        400,
        "Invalid attribute name: {}.{}. Attribute already exists in another parent type: {}",
    )
    TYPE_NOT_FOUND = ("ATLAS-404-00-001", 404, "Given typename {} was invalid")
    TYPE_GUID_NOT_FOUND = ("ATLAS-404-00-002", 404, "Given type guid {} was invalid")
    ENTITY_NOT_FOUND = ("ATLAS-404-00-005", 404, "Given instance guid {} is invalid/not found")
    INVALID_ENTITY = ("ATLAS-404-00-007", 404, "Invalid instance creation/updation parameters passed : {}")
    CLASSIFICATION_NOT_ASSOCIATED = (
        "ATLAS-404-00-003",
        404,
        "Given classification {} is not associated with the entity",
    )
    CLASSIFICATION_NOT_FOUND = ("ATLAS-404-00-008", 404, "Given classification {} was invalid")
    NOT_FOUND_BY_ATTRIBUTE = ("ATLAS-404-00-009", 404, "Instance {} with unique attribute {} does not exist")
    REFERENCE_NOT_FOUND = ("ATLAS-404-00-00A", 404, "Referenced entity {} is not found")
    RELATIONSHIP_NOT_FOUND = ("ATLAS-404-00-00C", 404, "Given relationship guid {} is invalid/not found")
    RELATIONSHIP_ALREADY_DELETED = ("ATLAS-404-00-00F", 404, "Relationship {} is already deleted")
    NO_LINEAGE_TYPE = (
        "ATLAS-404-00-011",
        404,
        "Given instance guid {} with type {} is not a valid lineage entity type",
    )
    TYPE_EXISTS = ("ATLAS-409-00-001", 409, "Given type {} already exists")
    TYPE_IN_USE = ("ATLAS-409-00-002", 409, "Given type {} has references")
    RELATIONSHIP_EXISTS = ("ATLAS-409-00-004", 409, "relationship {} already exists between entities {} and {}")
    TYPE_HAS_RELATIONSHIPS = ("ATLAS-409-00-005", 409, "Given type {} has associated relationshipDefs")

    @property
    def code(self) -> str:
        """Return the code as the answer writes it."""
        return self.value[0]

    @property
    def status(self) -> HTTPStatus:
        """Return the HTTP status of the answer."""
        return HTTPStatus(self.value[1])


class AtlasError(Exception):
    """An error the service answers with its code and a text."""

    def __init__(self, code: Code, *facts: object) -> None:
        super().__init__(code.value[2].format(*facts))
        self.code = code


class UncaughtError(Exception):
    """An error the service does not foresee; it answers 500 with plain text."""


class MalformedBodyError(Exception):
    """A body that is not JSON, or JSON of the wrong shape; it answers 400 without a code."""


class GatewayError(Exception):
    """A request the gateway before the service refuses, in plain text."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class MissingApiVersionError(Exception):
    """A request to the current base path without ``api-version``."""
