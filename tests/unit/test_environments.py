"""Environments: every form in which Azure ML records what a run asked to have installed, read without a guess."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from shared.azure_ml.run.environments import parse_environment
from shared.azure_ml.run.package_lines import IncludedFile, Specification, Unread, parse_conda, parse_pip
from shared.model import AssetId, Environment, Package

ARM = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml/providers"
    "/Microsoft.MachineLearningServices/workspaces/ws-credit"
)
SECRET = "hunter2"  # noqa: S105 - what must not get through


def conda(*dependencies: object, **members: object) -> dict[str, Any]:
    """Make an environment as run history has it, with these lines in its conda file."""
    return {
        "name": "e",
        "version": "7",
        "python": {"condaDependencies": {"dependencies": list(dependencies)}},
    } | members


def read(environment: object) -> Environment:
    parsed = parse_environment(environment)
    assert parsed is not None
    return parsed


def packages(environment: object) -> tuple[Package, ...] | None:
    return read(environment).packages


def versions(environment: object) -> dict[str, str]:
    return {package.name: package.version for package in packages(environment) or ()}


# Line of a pip list → name, version, specifier, source.
PIP = {
    "pandas": ("pandas", "", "", ""),
    "pandas==2.2.0": ("pandas", "2.2.0", "==2.2.0", ""),
    "pandas == 2.2.0": ("pandas", "2.2.0", "== 2.2.0", ""),
    "pandas===2.2.0": ("pandas", "2.2.0", "===2.2.0", ""),
    "pandas (==2.2.0)": ("pandas", "2.2.0", "==2.2.0", ""),
    "Scikit_Learn==1.5.1": ("Scikit_Learn", "1.5.1", "==1.5.1", ""),
    "pandas==2.2.*": ("pandas", "", "==2.2.*", ""),
    "pandas~=2.2.0": ("pandas", "", "~=2.2.0", ""),
    "pandas>=2,<3": ("pandas", "", ">=2,<3", ""),
    "pandas!=2.1": ("pandas", "", "!=2.1", ""),
    "pandas==2.2.0,!=2.2.1": ("pandas", "2.2.0", "==2.2.0,!=2.2.1", ""),
    "pandas==2.2.0,==2.2.1": ("pandas", "", "==2.2.0,==2.2.1", ""),
    "torch==2.4.0+cu121": ("torch", "2.4.0+cu121", "==2.4.0+cu121", ""),
    "ours==1.02": ("ours", "1.02", "==1.02", ""),
    "ours==1!2.0rc1": ("ours", "1!2.0rc1", "==1!2.0rc1", ""),
    "pytz==2004d": ("pytz", "2004d", "==2004d", ""),
    "pandas[excel]==2.2.0": ("pandas", "2.2.0", "==2.2.0", ""),
    'requests [security] >= 2.8.1, == 2.8.* ; python_version < "2.7"': ("requests", "", ">= 2.8.1, == 2.8.*", ""),
    "pandas==2.2.0 # why": ("pandas", "2.2.0", "==2.2.0", ""),
    "pandas==2.2.0 --hash=sha256:1111 --hash=sha256:2222": ("pandas", "2.2.0", "==2.2.0", ""),
    "pandas==2.2.0 \\": ("pandas", "2.2.0", "==2.2.0", ""),
    "ours @ https://h.example.com/ours.zip": ("ours", "", "", "https://h.example.com/ours.zip"),
    "ours@https://h.example.com/ours.zip": ("ours", "", "", "https://h.example.com/ours.zip"),
    "ours @ https://h.example.com/ours-1.2-py3-none-any.whl#sha256=11": (
        "ours",
        "1.2",
        "",
        "https://h.example.com/ours-1.2-py3-none-any.whl",
    ),
    "ours @ https://h.example.com/Ours-1.2.tar.gz": ("ours", "1.2", "", "https://h.example.com/Ours-1.2.tar.gz"),
    "ours @ https://h.example.com/theirs-1.2.tar.gz": ("ours", "", "", "https://h.example.com/theirs-1.2.tar.gz"),
    "urllib3 @ https://h.example.com/archive/refs/tags/1.26.8.zip": (
        "urllib3",
        "",
        "",
        "https://h.example.com/archive/refs/tags/1.26.8.zip",
    ),
    "ours @ git+https://h.example.com/o/r.git@v1.2": ("ours", "", "", "git+https://h.example.com/o/r.git@v1.2"),
    "git+https://h.example.com/o/r.git@v1.2#egg=ours": ("ours", "", "", "git+https://h.example.com/o/r.git@v1.2"),
    "git+https://h.example.com/o/r.git#egg=ours&subdirectory=src": (
        "ours",
        "",
        "",
        "git+https://h.example.com/o/r.git",
    ),
    "git+ssh://git@h.example.com/o/r.git#egg=ours": ("ours", "", "", "git+ssh://h.example.com/o/r.git"),
    "git+git@h.example.com:o/r.git#egg=ours": ("ours", "", "", "git+h.example.com:o/r.git"),
    "hg+https://h.example.com/r#egg=ours": ("ours", "", "", "hg+https://h.example.com/r"),
    "-e git+https://h.example.com/o/r.git#egg=ours": ("ours", "", "", "git+https://h.example.com/o/r.git"),
    "--editable=git+https://h.example.com/o/r.git#egg=ours": ("ours", "", "", "git+https://h.example.com/o/r.git"),
    "https://h.example.com/ours-1.2-py3-none-any.whl": (
        "ours",
        "1.2",
        "",
        "https://h.example.com/ours-1.2-py3-none-any.whl",
    ),
    "https://h.example.com/ours-1.2%2Bcpu-py3-none-any.whl": (
        "ours",
        "1.2+cpu",
        "",
        "https://h.example.com/ours-1.2%2Bcpu-py3-none-any.whl",
    ),
    "https://h.example.com/ours_too-1.02-4-cp311-cp311-manylinux_2_17_x86_64.whl": (
        "ours_too",
        "1.02",
        "",
        "https://h.example.com/ours_too-1.02-4-cp311-cp311-manylinux_2_17_x86_64.whl",
    ),
    "./wheels/ours-1.2-py3-none-any.whl": ("ours", "1.2", "", "./wheels/ours-1.2-py3-none-any.whl"),
    "wheels/ours-1.2-py3-none-any.whl": ("ours", "1.2", "", "wheels/ours-1.2-py3-none-any.whl"),
    "ours-1.2-py3-none-any.whl": ("ours", "1.2", "", "ours-1.2-py3-none-any.whl"),
    "file:///w/ours-1.2-py3-none-any.whl": ("ours", "1.2", "", "file:///w/ours-1.2-py3-none-any.whl"),
    "file:./ours-1.2-py3-none-any.whl": ("ours", "1.2", "", "file:./ours-1.2-py3-none-any.whl"),
    "C:\\w\\ours-1.2-py3-none-any.whl": ("ours", "1.2", "", "C:\\w\\ours-1.2-py3-none-any.whl"),
    "./ours-1.2-py3-none-any.whl[gpu]": ("ours", "1.2", "", "./ours-1.2-py3-none-any.whl"),
}

# Line of a conda file → name, version, specifier, source.
CONDA = {
    "numpy": ("numpy", "", "", ""),
    "numpy=1.26.4": ("numpy", "1.26.4", "=1.26.4", ""),
    "numpy==1.26.4": ("numpy", "1.26.4", "==1.26.4", ""),
    "numpy = 1.26.4": ("numpy", "1.26.4", "= 1.26.4", ""),
    "numpy 1.26.4": ("numpy", "1.26.4", "1.26.4", ""),
    "numpy=1.26.4=py310h_0": ("numpy", "1.26.4", "=1.26.4=py310h_0", ""),
    "numpy==1.26.4=py310h_0": ("numpy", "1.26.4", "==1.26.4=py310h_0", ""),
    "numpy 1.26.4 py310*": ("numpy", "1.26.4", "1.26.4 py310*", ""),
    "numpy=1.26.*": ("numpy", "", "=1.26.*", ""),
    "numpy>=1.26": ("numpy", "", ">=1.26", ""),
    "numpy>=1,<2": ("numpy", "", ">=1,<2", ""),
    "numpy >=1,<2 py3*": ("numpy", "", ">=1,<2 py3*", ""),
    "numpy >= 1, < 2": ("numpy", "", ">= 1, < 2", ""),
    "numpy=1.25|=1.26": ("numpy", "", "=1.25|=1.26", ""),
    "numpy=1.25,!=1.25.2|=1.26": ("numpy", "", "=1.25,!=1.25.2|=1.26", ""),
    "numpy=1.26,!=1.26.2": ("numpy", "1.26", "=1.26,!=1.26.2", ""),
    "numpy~=1.26": ("numpy", "", "~=1.26", ""),
    "numpy!=1.26": ("numpy", "", "!=1.26", ""),
    "python=3.10": ("python", "3.10", "=3.10", ""),
    "_openmp_mutex=4.5=1_gnu": ("_openmp_mutex", "4.5", "=4.5=1_gnu", ""),
    "numpy=1.26.4 # why": ("numpy", "1.26.4", "=1.26.4", ""),
    "conda-forge::numpy=1.26.4": ("numpy", "1.26.4", "=1.26.4", "conda-forge"),
    "conda-forge/linux-64::numpy": ("numpy", "", "", "conda-forge/linux-64"),
    "https://h.example.com/ch::numpy=1.26.4": ("numpy", "1.26.4", "=1.26.4", "https://h.example.com/ch"),
    "numpy[version='>=1,<2']": ("numpy", "", ">=1,<2", ""),
    'numpy[version="1.26.4", build=py3*]': ("numpy", "1.26.4", "1.26.4", ""),
    "numpy[version='=1.26.4']": ("numpy", "1.26.4", "=1.26.4", ""),
    "numpy=1.26.4[build='py310*']": ("numpy", "1.26.4", "=1.26.4", ""),
    "numpy[channel=conda-forge]": ("numpy", "", "", "conda-forge"),
    "https://h.example.com/ch/linux-64/numpy-1.26.4-py310h_0.conda": (
        "numpy",
        "1.26.4",
        "",
        "https://h.example.com/ch/linux-64/numpy-1.26.4-py310h_0.conda",
    ),
    "/pkgs/scikit-learn-1.5.1-py310h_0.tar.bz2": (
        "scikit-learn",
        "1.5.1",
        "",
        "/pkgs/scikit-learn-1.5.1-py310h_0.tar.bz2",
    ),
}


def shown(specification: Specification | None) -> tuple[str, ...]:
    assert isinstance(specification, Package), specification
    return (specification.name, specification.version, specification.specifier, specification.source)


@pytest.mark.parametrize(("line", "expected"), PIP.items(), ids=PIP.keys())
def test_line_of_a_pip_list_is_a_package(line: str, expected: tuple[str, ...]) -> None:
    """A version is what the line pins; a range, a tag of a repository or the name of a foreign archive is none."""
    assert shown(parse_pip(line)) == expected


@pytest.mark.parametrize(("line", "expected"), CONDA.items(), ids=CONDA.keys())
def test_line_of_a_conda_file_is_a_package(line: str, expected: tuple[str, ...]) -> None:
    """Conda has several forms of one match specification."""
    assert shown(parse_conda(line)) == expected


@pytest.mark.parametrize(
    "line",
    [
        "pandas[excel,aws]==2.2.0 ; python_version > '3.8'",
        "pandas[aws, excel] @ https://h.example.com/pandas.zip ; python_version > '3.8'",
        "git+https://h.example.com/o/r.git#egg=pandas[excel,aws] ; python_version > '3.8'",
        "./pandas-2.2.0-py3-none-any.whl[excel,aws] ; python_version > '3.8'",
    ],
)
def test_extras_and_marker_are_kept(line: str) -> None:
    """They decide what is installed, so they belong to what was asked for."""
    package = parse_pip(line)
    assert isinstance(package, Package)
    assert (package.extras, package.marker) == (("aws", "excel"), 'python_version > "3.8"')


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        "# why",
        "--index-url https://pypi.example.com/simple",
        "--extra-index-url=https://pypi.example.com/simple",
        "-i https://pypi.example.com/simple",
        "--find-links ./wheels",
        "-f ./wheels",
        "--no-index",
        "--pre",
        "--trusted-host pypi.example.com",
        "--no-binary :all:",
        "--hash=sha256:1111",
    ],
)
def test_setting_or_comment_asks_for_nothing(line: str) -> None:
    """It says how to install, and is neither a package nor a gap in the record."""
    assert parse_pip(line) is None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("-r requirements.txt", "requirements.txt"),
        ("-rrequirements.txt", "requirements.txt"),
        ("--requirement=requirements.txt", "requirements.txt"),
        ("-c constraints.txt", "constraints.txt"),
        ("--constraint constraints.txt", "constraints.txt"),
        (f"-r https://u:{SECRET}@h.example.com/r.txt?sig={SECRET}", "https://h.example.com/r.txt"),
    ],
)
def test_included_file_is_noted(line: str, name: str) -> None:
    """What is in it is not in the record, and the notes are to say so."""
    assert parse_pip(line) == IncludedFile(name)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("-e .", "."),
        ("-e .[dev]", ".[dev]"),
        ("-e", "-e"),
        ("-r", "-r"),
        ("../ours", "../ours"),
        ("src/ours", "src/ours"),
        ("git+https://h.example.com/o/ours.git", "git+https://h.example.com/o/ours.git"),
        ("https://h.example.com/ours.whl", "https://h.example.com/ours.whl"),
        ("https://h.example.com/archive/release-1.2.zip", "https://h.example.com/archive/release-1.2.zip"),
        ("- pandas", "- pandas"),
        ("pandas=2.2.0", "pandas=2.2.0"),
        ("pandas <=> 2", "pandas <=> 2"),
        (f"--password={SECRET}", "--password"),
        (f"-x {SECRET}", "-x"),
    ],
)
def test_pip_line_that_names_no_package_is_noted(line: str, text: str) -> None:
    """It is not guessed that `release-1.2.zip` holds a package called release, nor a package behind `.`."""
    assert parse_pip(line) == Unread(text)


@pytest.mark.parametrize("line", ["*", "numpy*", "*[md5=11]", "numpy; linux", "numpy[", "::", "numpy/1"])
def test_conda_line_that_names_no_package_is_noted(line: str) -> None:
    """A pattern matches many packages and names none."""
    assert parse_conda(line) == Unread(line)


@pytest.mark.parametrize(
    "line",
    [
        f"ours @ https://u:{SECRET}@h.example.com/ours.zip",
        f"ours @ https://h.example.com/ours.zip?x={SECRET}",
        f"ours @ https://h.example.com/ours.zip#{SECRET}",
        f"ours @ https://u:{SECRET}/{SECRET}@h.example.com/ours.zip",
        f"ours @ git+https://{SECRET}@h.example.com/o/r.git@v1",
        f"git+https://{SECRET}:x-oauth-basic@h.example.com/o/r.git#egg=ours",
        f"-e git+https://u:{SECRET}@h.example.com/o/r.git#egg=ours",
        f"git+u:{SECRET}@h.example.com:o/r.git#egg=ours",
        f"https://u:{SECRET}@h.example.com/ours-1.2-py3-none-any.whl?sig={SECRET}",
        f"https://u:a {SECRET}@h.example.com/ours.whl",
        f"https://u:{SECRET}@h.example.com/o/r",
        f"https://u:{SECRET * 200}@h.example.com/o/r",
        f"--index-url https://u:{SECRET}@h.example.com/simple",
        f"--our-index https://u:{SECRET}@h.example.com/simple",
        f"-c https://u:{SECRET}@h.example.com/c.txt",
        f"pandas --global-option=--token={SECRET}",
    ],
)
def test_credentials_in_a_pip_line_stay_behind(line: str) -> None:
    """Neither the package nor the note on what could not be read shows them."""
    environment = read(conda({"pip": [line]}))
    assert environment.packages or environment.notes or line.startswith("--index-url")
    assert SECRET not in repr(environment)


@pytest.mark.parametrize(
    "line",
    [
        f"https://h.example.com/t/{SECRET}/ch::numpy=1.26.4",
        f"https://u:{SECRET}@h.example.com/ch::numpy",
        f"https://u:{SECRET}@h.example.com/ch/numpy-1.26.4-py310h_0.conda",
        f"numpy[channel='https://h.example.com/t/{SECRET}/ch']",
        f"numpy[url=https://u:{SECRET}@h.example.com/numpy.conda]",
        f"numpy/[url=https://u:{SECRET}@h.example.com/numpy.conda]",
    ],
)
def test_credentials_in_a_conda_line_stay_behind(line: str) -> None:
    """Private channels carry a token in their path."""
    environment = read(conda(line))
    assert environment.packages or environment.notes
    assert SECRET not in repr(environment)


FILE = {
    "name": "train-env",
    "channels": ["conda-forge"],
    "dependencies": ["python=3.10", {"pip": ["scikit-learn==1.5.1", "mlflow==2.14"]}],
}
FOUND = {"mlflow": "2.14", "python": "3.10", "scikit-learn": "1.5.1"}


@pytest.mark.parametrize("value", [FILE, json.dumps(FILE), yaml.safe_dump(FILE)], ids=["object", "JSON", "YAML"])
def test_conda_environment_lists_its_packages(value: object) -> None:
    """An object on the wire, text in older records; pip's packages count like conda's."""
    environment = {"name": "train-env", "version": "7", "python": {"condaDependencies": value}}
    assert read(environment).id == AssetId("environments", "train-env", "7")
    assert (versions(environment), read(environment).notes) == (FOUND, "")


@pytest.mark.parametrize("value", [json.dumps(FILE), yaml.safe_dump(FILE)], ids=["JSON", "YAML"])
def test_environment_version_of_arm_lists_its_packages(value: str) -> None:
    """There the name is the version, and the id says whose."""
    environment = {
        "id": f"{ARM}/environments/train-env/versions/7",
        "name": "7",
        "properties": {"image": "base-image:tag", "condaFile": value, "build": None, "osType": "Linux"},
    }
    assert read(environment).id == AssetId("environments", "train-env", "7")
    assert versions(environment) == FOUND


def test_environment_version_of_arm_from_a_build_context_lists_no_packages() -> None:
    """The Dockerfile is in storage."""
    build = {"contextUri": "https://acct.blob.core.windows.net/c/", "dockerfilePath": "Dockerfile"}
    parsed = read({"id": f"{ARM}/environments/e/versions/1", "name": "1", "properties": {"build": build}})
    assert parsed.packages is None
    assert parsed.notes == "Defined by a Dockerfile; Azure ML does not list its packages."


def test_yaml_is_read_as_text() -> None:
    """Elsewhere in the file may stand what YAML takes for a broken date or an unknown tag."""
    text = "name: 2024-99-99\nprefix: !ours x\ndependencies:\n- 'python=3.10'\n- on\n- pip:\n"
    assert versions({"name": "e", "version": "1", "python": {"condaDependencies": text}}) == {
        "on": "",
        "python": "3.10",
    }


@pytest.mark.parametrize(
    "value",
    ["", "no mapping", "[", "- a\n- b", "dependencies: &x [*x]", "'", "[" * 5_000, 5, ["numpy"], "{}{}", "\x00"],
)
def test_list_of_packages_that_cannot_be_read_is_noted(value: object) -> None:
    """The environment is published all the same."""
    parsed = read({"name": "e", "version": "1", "python": {"condaDependencies": value}})
    assert parsed.packages is None
    assert parsed.notes


def test_aliases_of_yaml_are_read_once() -> None:
    """A few lines of YAML may stand for billions of packages."""
    levels = "\n".join(f"- &a{level} [{', '.join([f'*a{level - 1}'] * 50)}]" for level in range(1, 12))
    bomb = f"dependencies:\n- &a0 [numpy=1.26.4, pandas]\n{levels}\n- pip: *a0\n"
    assert versions({"name": "e", "version": "1", "python": {"condaDependencies": bomb}}) == {
        "numpy": "1.26.4",
        "pandas": "",
    }


def test_nested_pip_lists_and_blocks_of_text_are_read() -> None:
    """YAML leaves authors the choice, and a line may go on after a backslash."""
    block = "pandas==2.2.0 \\\n  --hash=sha256:1111\n# why\n-r more.txt\n"
    parsed = read(conda("numpy=1.26.4", {"pip": ["scipy==1.14.0", ["mlflow==2.14", block]]}))
    assert {package.name: package.version for package in parsed.packages or ()} == {
        "mlflow": "2.14",
        "numpy": "1.26.4",
        "pandas": "2.2.0",
        "scipy": "1.14.0",
    }
    assert parsed.notes == "It includes files which are not in the record: more.txt."


@pytest.mark.parametrize("order", [1, -1])
def test_pip_has_the_last_word_on_a_package(order: int) -> None:
    """Pip installs after conda, wherever its list stands; `Scikit_Learn` and `scikit-learn` are one package."""
    lines = [["scikit-learn=1.5.1", {"pip": ["Scikit_Learn==1.5.2"]}][::order], "pip"]
    assert versions(conda(*lines)) == {"pip": "", "Scikit_Learn": "1.5.2"}


def test_versions_for_several_platforms_are_none_for_sure() -> None:
    """Which of them was installed the record does not say."""
    lines = ["torch==2.4.0 ; sys_platform == 'linux'", "torch==2.3.0 ; sys_platform == 'darwin'"]
    (torch,) = packages(conda({"pip": lines})) or ()
    assert (torch.version, torch.specifier) == ("", "==2.4.0 or ==2.3.0")
    assert torch.marker == '(sys_platform == "linux") or (sys_platform == "darwin")'


def test_packages_are_in_order() -> None:
    """The order of lines in a conda file says nothing."""
    assert packages(conda("b=1", "a=1")) == packages(conda("a=1", "b=1"))


def test_gaps_are_in_the_notes() -> None:
    """What was read is published, and who reads it learns what is missing."""
    parsed = read(conda("numpy=1.26.4", {"npm": ["left-pad"]}, None, 5, {"pip": ["-r r.txt", "-e .", "-c c.txt"]}))
    assert [package.name for package in parsed.packages or ()] == ["numpy"]
    assert parsed.notes == (
        "It includes files which are not in the record: r.txt, c.txt. Not read as a package: npm, 5, .."
    )


def test_notes_on_many_gaps_stay_short() -> None:
    """Twenty examples show what is the matter."""
    notes = read(conda({"pip": [f"./p{number}" for number in range(25)]})).notes
    assert notes.endswith("./p19 and 5 more.")


def test_conda_file_without_dependencies_lists_none() -> None:
    """It is known to ask for nothing, which is more than not to be known."""
    assert packages({"name": "e", "python": {"condaDependencies": {"channels": ["conda-forge"]}}}) == ()


def test_environment_from_a_dockerfile_lists_no_packages() -> None:
    """Only the Dockerfile knows them, and the notes say so."""
    environment = {"name": "e", "version": "1", "docker": {"baseDockerfile": "FROM base\nRUN pip install pandas"}}
    expected = "Defined by a Dockerfile; Azure ML does not list its packages."
    assert read(environment) == Environment(AssetId("environments", "e", "1"), None, expected)


@pytest.mark.parametrize("managed", [True, "TRUE", "true"])
def test_conda_stub_beside_a_dockerfile_is_not_believed(managed: object) -> None:
    """With userManagedDependencies the conda section is a stub (`python=3.6.2`) and the Dockerfile is the truth."""
    stub = {"userManagedDependencies": managed, "condaDependencies": {"dependencies": ["python=3.6.2"]}}
    assert packages({"name": "e", "version": "1", "python": stub, "docker": {"baseDockerfile": "FROM base"}}) is None


@pytest.mark.parametrize("managed", [False, "false", None])
def test_conda_file_of_a_managed_environment_is_believed(managed: object) -> None:
    """Azure ML installs it on top of the image or the Dockerfile."""
    python = {"userManagedDependencies": managed, "condaDependencies": {"dependencies": ["python=3.10"]}}
    assert versions({"name": "e", "python": python, "docker": {"baseDockerfile": "FROM base"}}) == {"python": "3.10"}


@pytest.mark.parametrize(
    ("members", "origin"),
    [
        ({"docker": {"baseImage": "base-image:tag"}}, "the image base-image:tag"),
        ({"properties": {"image": "base-image:tag"}}, "the image base-image:tag"),
        ({"docker": {"baseImage": f"https://u:{SECRET}@r.example.com/i"}}, "the image https://r.example.com/i"),
        ({"docker": {"baseImage": "i", "baseImageRegistry": {"password": SECRET}}}, "the image i"),
        ({"docker": {"buildContext": {"locationType": "Git"}}}, "a Dockerfile"),
        ({"python": {"condaDependenciesFile": "conda.yml"}}, "the conda file conda.yml"),
        ({"python": {"baseCondaEnvironment": "base"}}, "the conda environment base"),
        ({}, "the image it names"),
    ],
)
def test_environment_without_a_list_says_where_it_comes_from(members: dict[str, Any], origin: str) -> None:
    """That is all there is to tell."""
    parsed = read({"name": "e", "version": "1", **members})
    assert (parsed.packages, parsed.notes) == (None, f"Defined by {origin}; Azure ML does not list its packages.")


def test_registry_environment_keeps_its_registry() -> None:
    """A curated environment is the registry's, not the workspace's."""
    asset = "azureml://registries/azureml/environments/sklearn-1.5/versions/40"
    parsed = read({"name": "sklearn-1.5", "version": "40", "assetId": asset})
    assert parsed.id == AssetId("environments", "sklearn-1.5", "40", "azureml")
    assert read({"assetId": asset}).id == parsed.id


def test_id_of_something_else_names_no_environment() -> None:
    """Then the name and version beside it count."""
    asset = "azureml://registries/azureml/models/m/versions/1"
    assert read({"name": "e", "version": 7, "assetId": asset}).id == AssetId("environments", "e", "7")


def test_packages_of_r_are_listed() -> None:
    """The token for a private repository is not."""
    section = {
        "rVersion": "3.6.0",
        "cranPackages": [
            {"name": "ggplot2", "version": "3.3.0"},
            {"name": "dplyr", "repository": "https://r.example/"},
        ],
        "gitHubPackages": [{"repository": "contoso/ours@v1", "authToken": SECRET}, {"authToken": SECRET}],
        "bioConductorPackages": ["a4", 5],
        "customUrlPackages": [f"https://u:{SECRET}@h.example.com/p.tar.gz"],
    }
    parsed = read({"name": "e", "version": "1", "r": section, "docker": {"baseImage": "i"}})
    assert [(item.name, item.version, item.source) for item in parsed.packages or ()] == [
        ("R", "3.6.0", ""),
        ("a4", "", "Bioconductor"),
        ("contoso/ours", "", "https://github.com/contoso/ours@v1"),
        ("dplyr", "", "https://r.example/"),
        ("ggplot2", "3.3.0", "CRAN"),
    ]
    assert {item.language for item in parsed.packages or ()} == {"R"}
    assert parsed.notes == (
        "Defined by the image i; Azure ML does not list its other packages. "
        "Not read as a package: an entry of type int, an entry of type dict, https://h.example.com/p.tar.gz."
    )
    assert SECRET not in repr(parsed)
    assert packages({"name": "e", "r": {**section, "userManaged": True}}) is None


def test_packages_of_spark_are_listed() -> None:
    """Maven names a package by its group and artifact; it is no Python package of that name."""
    jar = {"group": "com.example.ml", "artifact": "ours_2.12", "version": "0.12"}
    parsed = read(conda("python=3.10", spark={"packages": [jar, {"group": "g"}, None], "repositories": []}))
    assert Package("com.example.ml:ours_2.12", "0.12", source="Maven", language="JVM") in (parsed.packages or ())
    assert parsed.notes == "Not read as a package: an entry of type dict, an entry of type NoneType."


def test_packages_of_two_languages_with_one_name_are_two() -> None:
    """There is a `forecast` for Python and one for R."""
    environment = conda("forecast=1.0", r={"cranPackages": ["forecast"]})
    assert [package.key for package in packages(environment) or ()] == ["R:forecast", "forecast"]


@pytest.mark.parametrize("environment", [None, {}, {"name": None}, {"name": ""}, "text", 5, [], {"name": {"a": 1}}])
def test_run_without_an_environment_has_none(environment: object) -> None:
    """A pipeline or an imported run names no environment."""
    assert parse_environment(environment) is None


lines = st.one_of(
    st.sampled_from([*PIP, *CONDA]),
    st.text(max_size=30),
    st.text(alphabet="ab1.-_=<>!~,|*[]()'\"@:/#; +\\e git&", max_size=40),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["a", "a[b]", "c::a", "-e ", "-r"]),
        st.sampled_from("= == @ >".split()),  # noqa: SIM905
        st.text(max_size=10),
    ),
)
values = st.recursive(
    st.one_of(lines, st.none(), st.booleans(), st.integers(), st.floats()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["pip", "dependencies", "name", "group", "packages", "x"]), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(st.lists(values, max_size=6), st.sampled_from(["conda", "pip"]))
@example(["a==1 --x=1"], "pip")
def test_version_stands_in_the_text_whatever_the_lines(dependencies: list[object], manager: str) -> None:
    """Nothing that anybody writes into a conda file sinks the run, and no version is made up."""
    environment = conda(*(dependencies if manager == "conda" else [{"pip": dependencies}]))
    written: list[str] = []
    pending: list[object] = [dependencies]
    while pending:
        item = pending.pop()
        pending += item if isinstance(item, list) else item.values() if isinstance(item, dict) else []
        written += [item, unquote(item)] if isinstance(item, str) else []
    for package in read(environment).packages or ():
        assert package.name
        assert package.version == "" or any(package.version in text for text in written)


@given(values, values, values, values)
def test_environment_of_any_shape_is_read(python: object, docker: object, r: object, spark: object) -> None:
    """A member of another type than documented is as good as absent."""
    environment = {"name": "e", "version": python, "python": {"condaDependencies": python}, "docker": docker, "r": r}
    assert read({**environment, "spark": spark, "properties": docker}).id.name == "e"
    assert read({"name": "e", "python": python, "r": {"cranPackages": r, "gitHubPackages": spark}}).id.name == "e"
    assert read({"name": "e", "condaFile": docker, "spark": {"packages": spark}}).id.name == "e"


@given(st.text(max_size=200))
def test_conda_file_of_any_text_is_read(text: str) -> None:
    """YAML has many ways to fail."""
    assert read({"name": "e", "properties": {"condaFile": text}}).id.name == "e"
