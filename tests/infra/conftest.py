"""The templates as Microsoft's compiler reads them, where it is installed."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.infra.compiler import Compiler, Deployment


@pytest.fixture(scope="session")
def bicep() -> Iterator[Compiler]:
    """The compiler; skips where there is none, also where nothing else may be skipped: no package brings it."""
    program = shutil.which("bicep")
    if program is None:
        pytest.skip("bicep is not on PATH: the templates are not compiled")
    with Compiler(program) as compiler:
        yield compiler


@pytest.fixture(scope="session")
def deployed(bicep: Compiler, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Deployment]:
    """What `azd up` deploys with a parameter file, by its name without ending."""
    folder = tmp_path_factory.mktemp("parameters")
    return cache(lambda case: bicep.deployment(case, folder))
