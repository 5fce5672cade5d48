"""Every template for itself: it compiles, the linter has nothing to say, and it is formatted."""

import pytest

from tests.infra.compiler import Compiler
from tests.references.bicep import Template, templates

every_template = pytest.mark.parametrize("template", templates().values(), ids=templates())


@every_template
def test_template_compiles_without_a_warning(bicep: Compiler, template: Template) -> None:
    """Neither of the compiler, which knows the type of every resource, nor of its linter."""
    assert bicep.diagnostics(template.path) == []


@every_template
def test_template_is_formatted(bicep: Compiler, template: Template) -> None:
    """As `bicep format` writes it, so that a change shows what it changes."""
    assert bicep.formatted(template.path) == template.text
