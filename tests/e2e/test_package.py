"""The package that a deployment sends: what is in it, and that it runs with its own requirements and no others."""

import json
import os
import re
import shutil
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement

from emulator.functions_host.runtime import TARGET
from tests.harness import package_environment
from tests.harness.function_host import ROOT
from tools.package import Package, StrayFileError, build_package, list_files, main
from tools.requirements import read_pins

SIZE_LIMIT = 1_200_000
"""Bytes, unpacked; any library that came along would take more than is left."""
IMPORTS = {
    "attr": "attrs",
    "azure.ai.ml": "azure-ai-ml",
    "azure.core": "azure-core",
    "azure.eventgrid": "azure-eventgrid",
    "azure.functions": "azure-functions",
    "azure.identity": "azure-identity",
    "azure.monitor.opentelemetry": "azure-monitor-opentelemetry",
    "azure.storage.blob": "azure-storage-blob",
    "azure.storage.queue": "azure-storage-queue",
    "openlineage.client": "openlineage-python",
    "opentelemetry.metrics": "opentelemetry-api",
    "opentelemetry.sdk.metrics": "opentelemetry-sdk",
    "opentelemetry.sdk.trace": "opentelemetry-sdk",
    "opentelemetry.trace": "opentelemetry-api",
    "packaging": "packaging",
    "pyapacheatlas": "pyapacheatlas",
    "requests": "requests",
    "tenacity": "tenacity",
    "urllib3": "urllib3",
    "yaml": "pyyaml",
}
"""Everything of others that the app imports, and the distribution it comes from."""
HEAVY = ("azure.ai.ml", "pyapacheatlas")
DEVELOPMENT = (
    *("pytest", "click", "aiohttp", "networkx", "rich", "trustme", "hypothesis", "mypy", "pathspec"),
    *("dash", "flask", "playwright"),
)
REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8")
PLANTED = (
    ".azure/prod/.env",
    ".devcontainer/devcontainer.json",
    ".env",
    ".git/config",
    ".github/workflows/ci.yml",
    ".venv/bin/python",
    "__azurite_db_queue__.json",
    "__blobstorage__/blob",
    "__pycache__/function_app.cpython-312.pyc",
    "aml_purview_lineage.egg-info/PKG-INFO",
    "azure.yaml",
    "build/package.zip",
    "emulator.json",
    "functions/.DS_Store",
    "functions/__pycache__/replay.cpython-312.pyc",
    "infra/hooks/postprovision.sh",
    "infra/main.bicep",
    "lineage.sqlite",
    "lineage.sqlite-wal",
    "local.settings.json",
    "local.settings.prod.json",
    "node_modules/azurite/package.json",
    "out/report.json",
    "package-lock.json",
    "prod.env",
    "samples/credit_risk/train.py",
    "server.pem",
    "shared/purview/__pycache__/catalog.cpython-312.pyc",
    "tools/package.py",
    "venv/pyvenv.cfg",
)
"""Files of a working folder that must never be sent, whether git knows them or not."""
BOOT = """
import json, sys
from pathlib import Path
from emulator.functions_host.runtime import Runtime
runtime = Runtime(Path("."))
runtime.start()
loaded = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
print(json.dumps([sorted(runtime.functions), loaded]))
runtime.stop()
"""
CONSTRUCT = """
import importlib, os, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from shared.azure_ml.services.sdk import SdkClient
from shared.bootstrap import services
from shared.model import WorkspaceId
made = services()
made.deliveries, made.reconciler, made.undelivered
SdkClient(
    WorkspaceId("00000000-0000-0000-0000-000000000000", "rg-ml", "ws-credit"),
    arm_endpoint=made.settings.arm_endpoint,
    credential=DefaultAzureCredential(),
    transport=RequestsTransport(),
)
print("constructed")
"""
"""Imports every module of the app and makes every client it has; nothing of that asks a server."""
SETTINGS = {
    "LINEAGE_STORAGE": "stlineage",
    "LINEAGE_WORKSPACES": "/subscriptions/00000000-0000-0000-0000-000000000000",
    "PURVIEW_ENDPOINT": "https://contoso.purview.azure.com",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package of this checkout."""
    return build_package(ROOT, tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def environment() -> None:
    """Requirements.txt, installed on its own; skips where it is not, unless nothing may be skipped."""
    missing = package_environment.missing()
    if missing and os.environ.get("LINEAGE_TESTS_SKIP_NOTHING"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


@pytest.fixture
def working_folder(tmp_path: Path) -> Path:
    """A copy of the project as it is checked out, and then everything that lies about on a laptop."""
    left = shutil.ignore_patterns(".*", "build", "node_modules", "out", "__pycache__", "*.egg-info", "golden")
    folder = tmp_path / "project"
    shutil.copytree(ROOT, folder, ignore=left)
    shutil.copyfile(ROOT / ".funcignore", folder / ".funcignore")
    for name in PLANTED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("SECRET")
    return folder


def own_modules(package: Package) -> list[str]:
    """Name every module of the package as Python imports it."""
    paths = (PurePosixPath(name).with_suffix("") for name in package.files if name.endswith(".py"))
    return sorted(".".join(path.parent.parts if path.name == "__init__" else path.parts) for path in paths)


def ignored_by_core_tools(name: str, patterns: Sequence[str]) -> bool:
    """Read .funcignore as Core Tools does: from the root, by the beginning, and * is one character or more."""
    as_regex = "|".join(
        re.escape(pattern.removeprefix("/")).replace(r"\*\*", ".+").replace(r"\*", "[^/]+") for pattern in patterns
    )
    return re.match(as_regex, name) is not None


def test_package_consists_of_the_app_and_nothing_else(package: Package) -> None:
    """Every Python file below functions/ and shared/, three files beside them; a new folder has to be decided on."""
    expected = {"function_app.py", "host.json", "requirements.txt"}
    for folder in ("functions", "shared"):
        expected |= {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py")}
    assert set(package.files) == expected
    assert {path.name for path in package.folder.iterdir()} == {name.partition("/")[0] for name in expected}


def test_zip_holds_the_same_files_and_is_the_same_every_time(package: Package, tmp_path: Path) -> None:
    """Byte for byte, so that a deployment can be compared with another."""
    with zipfile.ZipFile(package.zip) as archive:
        assert archive.namelist() == list(package.files)
        assert {name: archive.read(name) for name in package.files} == {
            name: (ROOT / name).read_bytes() for name in package.files
        }
    assert build_package(ROOT, tmp_path).zip.read_bytes() == package.zip.read_bytes()


def test_package_is_small(package: Package) -> None:
    """It is code of ours; libraries are installed in Azure."""
    assert 100_000 < package.size < SIZE_LIMIT


def test_stray_files_in_the_working_folder_are_not_sent(working_folder: Path, package: Package) -> None:
    """Settings, secrets, state, environments and build output, at the root and below."""
    assert list_files(working_folder) == list(package.files)


def test_core_tools_would_send_the_same(working_folder: Path, package: Package) -> None:
    """They read .funcignore in a way of their own, which knows no "!"."""
    lines = (working_folder / ".funcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert not [pattern for pattern in patterns if pattern.startswith("!")]
    every = (path.relative_to(working_folder).as_posix() for path in working_folder.rglob("*") if path.is_file())
    assert sorted(name for name in every if not ignored_by_core_tools(name, patterns)) == list(package.files)


def test_mapping_to_power_bi_is_sent_along(working_folder: Path, tmp_path: Path, package: Package) -> None:
    """The deploying person puts it beside host.json, where the app looks for it."""
    (working_folder / "downstream.yaml").write_text("[]")
    built = build_package(working_folder, tmp_path / "build")
    assert set(built.files) - set(package.files) == {"downstream.yaml"}
    patterns = (working_folder / ".funcignore").read_text(encoding="utf-8").splitlines()
    assert not ignored_by_core_tools("downstream.yaml", [line for line in patterns if line and line[0] != "#"])


@pytest.mark.parametrize("name", ["notes.txt", "shared/sample.csv", "prod.settings.json"])
def test_stray_file_stops_the_build_by_name(working_folder: Path, tmp_path: Path, name: str) -> None:
    """An unexpected file would be deployed; better no package."""
    (working_folder / name).write_text("SECRET")
    with pytest.raises(StrayFileError, match=name):
        build_package(working_folder, tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_app_imports_exactly_what_is_expected_of_others(package: Package) -> None:
    """And each from a distribution that requirements.txt pins."""
    pins = package.imports()
    assert {module: Requirement(pin or "nothing").name for module, pin in pins.items()} == IMPORTS


def test_import_without_a_requirement_is_seen(package: Package, tmp_path: Path) -> None:
    """Of the modules and of a distribution that does not exist."""
    folder = shutil.copytree(package.folder, tmp_path / "package")
    without = re.sub(r"^tenacity==.*\n", "", REQUIREMENTS, flags=re.MULTILINE)
    (folder / "requirements.txt").write_text(without)
    (folder / "function_app.py").write_text("import does_not_exist.module")
    imports = Package(folder, package.zip, package.files).imports()
    assert {module for module, pin in imports.items() if pin is None} == {"tenacity", "does_not_exist.module"}


def test_requirements_hold_nothing_of_development() -> None:
    """What an extra of pyproject.toml asks for and the app does not is not deployed; nor is any option of pip."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {Requirement(line).name for line in project["dependencies"]}
    extras = {Requirement(line).name for lines in project["optional-dependencies"].values() for line in lines}
    assert extras & set(read_pins(REQUIREMENTS)) == {
        "packaging",
        "psutil",
        "pyjwt",
        "pyyaml",
    }  # for libraries of the app
    assert direct <= set(read_pins(REQUIREMENTS))
    assert set(DEVELOPMENT) & set(read_pins(REQUIREMENTS)) == set()


def test_requirements_are_pins_without_any_address() -> None:
    """No index, no link, no file: where packages come from is the installer's to know."""
    lines = [line for line in REQUIREMENTS.splitlines() if not line.lstrip().startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", line)] == []
    assert "://" not in REQUIREMENTS


@pytest.mark.usefixtures("environment")
def test_environment_has_the_requirements_and_nothing_else() -> None:
    """Version by version; otherwise the tests below would prove nothing."""
    pinned = {name: str(pin.specifier).removeprefix("==") for name, pin in read_pins(REQUIREMENTS).items()}
    assert package_environment.installed() == pinned


@pytest.mark.usefixtures("environment")
def test_package_boots_with_its_own_requirements(package: Package, tmp_path: Path) -> None:
    """In the genuine runtime, which finds every function; that loads no client, and nothing of the checkout."""
    declared = {
        name
        for path in ROOT.glob("functions/*.py")
        for name in re.findall(r'^@bp\.function_name\("(\w+)"\)$', path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    host = package_environment.copy_host(tmp_path / "host")
    settings = {"LineageStorage": "UseDevelopmentStorage=true", "RECONCILE_SCHEDULE": "0 */15 * * * *"}
    done = package_environment.run(BOOT, package=package.folder, paths=(host, TARGET), env=settings)
    assert done.returncode == 0, done.stderr
    functions, loaded = json.loads(done.stdout)
    assert len(declared) >= 7
    assert set(functions) == declared
    assert [name for name in (*HEAVY, *DEVELOPMENT) if name in loaded] == []
    assert Path(loaded["function_app"]).parent == package.folder
    assert Path(loaded["azure_functions_runtime"]).is_relative_to(TARGET)
    assert Path(loaded["azure.functions"]).is_relative_to(package_environment.VENV)
    allowed = (package.folder, host, TARGET, package_environment.VENV)
    outside = [file for file in loaded.values() if not any(Path(file).is_relative_to(place) for place in allowed)]
    assert [file for file in outside if "site-packages" in file or Path(file).is_relative_to(ROOT)] == []


@pytest.mark.usefixtures("environment")
def test_nothing_takes_the_name_azure_for_itself(package: Package) -> None:
    """With an `azure/__init__.py` on its path the worker finds no function, and the host serves none without a word."""
    roots = [package.folder, *package_environment.VENV.rglob("site-packages")]
    assert len(roots) > 1
    assert [root for root in roots if (root / "azure" / "__init__.py").exists()] == []


@pytest.mark.usefixtures("environment")
def test_every_module_and_client_of_the_app_is_there(package: Package) -> None:
    """Also those that are imported on first use, where a missing requirement would show in production only."""
    done = package_environment.run(CONSTRUCT, *own_modules(package), package=package.folder, env=SETTINGS)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "constructed\n"


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("removed", ["", "pyapacheatlas", "azure-storage-blob"])
def test_requirement_that_is_removed_is_missed(package: Package, tmp_path: Path, removed: str) -> None:
    """The same with a copy of requirements.txt that lacks a line: the check above can fail."""
    names = set(read_pins(re.sub(rf"^{removed}==.*\n", "", REQUIREMENTS, flags=re.MULTILINE)))
    assert len(names) == len(read_pins(REQUIREMENTS)) - bool(removed)
    packages = package_environment.link_distributions(names, tmp_path / "packages")
    done = package_environment.run(
        CONSTRUCT, *own_modules(package), package=package.folder, paths=[packages], env=SETTINGS, site=False
    )
    missed = re.findall(r"^ModuleNotFoundError: No module named '([\w.]+)'$", done.stderr, re.MULTILINE)
    assert missed == ([removed.replace("-", ".")] if removed else [])
    assert done.stdout == ("" if removed else "constructed\n")


def test_make_package_says_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Files, bytes, and the third-party modules with their pins."""
    assert main() == 0
    output = capsys.readouterr().out
    assert re.search(r"^build/package: \d+ files, [\d,]+ bytes$", output, re.MULTILINE)
    assert re.search(r"^build/package\.zip: [\d,]+ bytes$", output, re.MULTILINE)
    assert re.search(r"^tenacity +tenacity==[\d.]+$", output, re.MULTILINE)
