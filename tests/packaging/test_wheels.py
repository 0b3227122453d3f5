"""What users install: the wheels of the core and of each plugin, alone and through the core's extras.

Wheels are built with the backend that is installed, and go into a fresh environment without an index. What
they depend on is downloaded first; where that is not possible these tests are skipped, and fail in CI.
"""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/hyperhttp-*/pyproject.toml"))
CODINGS = {"brotli": "br", "zstd": "zstd"}
#: Packages with no hooks: whoever wants them imports them, clients do not look for them.
WITHOUT_HOOKS = {"cache", "httpx", "requests"}

CONTENT = {
    "gzip": "1f8b08000000000000ffcb48cdc9c9070086a6103605000000",
    "br": "0b028068656c6c6f03",
    "zstd": "28b52ffd200529000068656c6c6f",
}
"""The word hello in each coding."""

DECODE = f"""
import json
from hyperhttp.plugins import compile_plugins, installed_plugins

compiled = compile_plugins()
decoded = {{}}
for name, data in {CONTENT!r}.items():
    if name in compiled.content_codings:
        decoder = compiled.content_codings[name].decoder()
        decoded[name] = decoder.decode(bytes.fromhex(data), 100).decode()
        decoder.finish()
print(json.dumps({{
    "accept_encoding": compiled.accept_encoding.split(", "),
    "decoded": decoded,
    "plugins": [(info.name, info.distribution, info.status) for info in installed_plugins(check=True)],
}}))
"""


def unavailable(reason):
    """Skip, except in CI, where a test that silently does not run would be missed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(*command, cwd=None, timeout=90, hermetic=True):
    """Run a program; `hermetic` without what the environment says about indexes, paths and plugins."""
    unwanted = ("PIP_", "PYTHON", "HYPERHTTP_", "UV_") if hermetic else ("PYTHON", "HYPERHTTP_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    if hermetic:
        environ["PIP_CONFIG_FILE"] = os.devnull
    return subprocess.run(
        [str(each) for each in command], cwd=cwd, env=environ, timeout=timeout, capture_output=True, text=True
    )


def run_well(*command, **options):
    """Run a program that must succeed; what it printed."""
    finished = run(*command, **options)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A directory with the wheels of this repository."""
    if find_spec("hatchling") is None:
        unavailable("the build backend, hatchling, is not installed")
    directory = tmp_path_factory.mktemp("dist")
    for path in (ROOT, *PLUGINS):
        run_well(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory, cwd=path)
    return directory


def third_party():
    """What the core and the plugins need, other than each other: an index may hold a namesake of ours."""
    projects = [tomllib.loads((path / "pyproject.toml").read_text())["project"] for path in (ROOT, *PLUGINS)]
    required = {each for project in projects for each in project["dependencies"]}
    return sorted(each for each in required if not each.startswith("hyperhttp"))


@pytest.fixture(scope="module")
def python(dist, tmp_path_factory):
    """The interpreter of a fresh environment; `dist` then holds all that the wheels depend on."""
    directory = tmp_path_factory.mktemp("environment")
    if run(sys.executable, "-m", "venv", directory).returncode:
        unavailable("an environment with pip cannot be made here")
    python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [python, "-m", "pip", "download", "--retries=1", "--timeout=15", "--only-binary=:all:"]
    try:
        downloaded = run(*command, f"--dest={dist}", *third_party(), hermetic=False)
    except subprocess.TimeoutExpired:
        unavailable("the package registry does not answer")
    if downloaded.returncode:
        unavailable("dependencies cannot be downloaded: " + downloaded.stderr[-500:])
    return python


def install(python, dist, *requirements):
    run_well(python, "-m", "pip", "install", "--no-index", f"--find-links={dist}", *requirements)
    run_well(python, "-m", "pip", "check")


def uninstall(python, *distributions):
    run_well(python, "-m", "pip", "uninstall", "--yes", *distributions)


def ask(python, code):
    """What a script prints as JSON, run by the environment's interpreter far from the source tree."""
    return json.loads(run_well(python, "-I", "-c", code, cwd=python.parent))


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.name)
def test_each_plugin_package_has_the_same_shape(path):
    package = path / path.name.replace("-", "_")
    files = ["pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"]

    assert [name for name in files if not (path / name).is_file()] == []
    assert (package / "__init__.py").is_file()
    assert (package / "py.typed").is_file()
    assert list(path.glob("tests/test_*.py"))
    assert (path / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.name)
def test_each_plugin_package_has_an_entry_point_and_an_extra_of_one_name(path):
    project = tomllib.loads((path / "pyproject.toml").read_text())["project"]
    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = path.name.removeprefix("hyperhttp-")

    assert project["name"] == path.name
    entry_points = project.get("entry-points", {}).get("hyperhttp", {})
    assert entry_points == ({} if extra in WITHOUT_HOOKS else {extra: path.name.replace("-", "_")})
    assert any(each.startswith("hyperhttp ") for each in project["dependencies"])
    assert any(each.startswith(f"{path.name} ") for each in core["optional-dependencies"][extra])


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_each_wheel_holds_its_package_and_nothing_else(dist):
    for path in (ROOT, *PLUGINS):
        name = "hyperhttp" if path is ROOT else path.name.replace("-", "_")
        (wheel,) = dist.glob(f"{name}-*-py3-none-any.whl")
        files = zipfile.ZipFile(wheel).namelist()
        info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"

        assert {file.partition("/")[0] for file in files} == {name, info}
        assert {f"{name}/__init__.py", f"{name}/py.typed", f"{info}/licenses/LICENSE"} <= set(files)
        has_hooks = name.removeprefix("hyperhttp_") not in WITHOUT_HOOKS
        assert (f"{info}/entry_points.txt" in files) == has_hooks
        assert not [file for file in files if "test_" in file and "/tests/" in file]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_coding_is_offered_and_decoded_exactly_when_its_extra_is_installed(python, dist):
    install(python, dist, "hyperhttp")
    bare = ask(python, DECODE)
    assert bare == {"accept_encoding": ["gzip", "deflate"], "decoded": {"gzip": "hello"}, "plugins": []}

    for extra, coding in CODINGS.items():
        install(python, dist, f"hyperhttp[{extra}]")
        extended = ask(python, DECODE)
        uninstall(python, f"hyperhttp-{extra}")

        assert extended["accept_encoding"] == ["gzip", "deflate", coding]
        assert extended["decoded"] == {"gzip": "hello", coding: "hello"}
        assert extended["plugins"] == [[extra, f"hyperhttp-{extra}", "enabled"]]

    assert ask(python, DECODE) == bare


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("extra", sorted(WITHOUT_HOOKS))
def test_a_package_without_hooks_is_there_to_be_imported_and_no_client_looks_at_it(python, dist, extra):
    install(python, dist, f"hyperhttp[{extra}]")
    code = (
        f"import hyperhttp_{extra} as this, json; print(json.dumps(all(hasattr(this, each) for each in this.__all__)))"
    )
    plugins = "import json, hyperhttp.plugins; print(json.dumps(len(hyperhttp.plugins.installed_plugins())))"
    found = ask(python, code), ask(python, plugins)
    uninstall(python, f"hyperhttp-{extra}")

    assert found == (True, 0)


STRANGER = Path(__file__).parent / "everything"

USE_EVERYTHING = """
import json
import socket
import threading

import hyperhttp
import hyperhttp_everything
from hyperhttp.plugins import compile_plugins, hookspecs, installed_plugins
from hyperhttp.testing import check_plugin

compiled = check_plugin(hyperhttp_everything)
hooks = [name for name in hookspecs.__all__ if name.startswith(hookspecs.HOOK_PREFIX)]
(info,) = installed_plugins(check=True)

def serve():
    with server.accept()[0] as connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Encoding: rot13\\r\\nContent-Length: 5\\r\\n\\r\\nuryyb")

server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, daemon=True).start()
with hyperhttp.SyncClient(resolver="loopback", trust_env=False) as client:
    text = client.get(f"http://nowhere.test:{server.getsockname()[1]}/").text
    echoed = client.post("echo://x/", json={"b": 1, "a": 2}, auth=compiled.auth_schemes["key"].factory("k-1"))
    sent = echoed.request.content.data.decode()
print(json.dumps({
    "hooks": sorted(info.hooks) == sorted(hooks),
    "info": [info.name, info.distribution, info.version, info.api, info.status],
    "text": text,
    "authorization": echoed.json()["authorization"],
    "sent": sent,
    "proxies": "line" in compiled.proxy_connectors,
    "finished": [listener.finished for listener in hyperhttp_everything.listeners if listener.finished],
}))
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_strangers_package_with_a_hook_of_every_kind_works_from_its_wheel(python, dist):
    run_well(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=STRANGER)
    install(python, dist, "hyperhttp", "hyperhttp-everything")
    try:
        used = ask(python, USE_EVERYTHING)
        table = run_well(python, "-I", "-m", "hyperhttp", "plugins", "--check", cwd=python.parent)
        greeting = run_well(python, "-I", "-m", "hyperhttp", "greet", "you", cwd=python.parent)
    finally:
        uninstall(python, "hyperhttp-everything")

    assert used == {
        "hooks": True,
        "info": ["everything", "hyperhttp-everything", "3.2.1", 1, "enabled"],
        "text": "hello",
        "authorization": "Key k-1",
        "sent": '{"a":2,"b":1}',
        "proxies": True,
        "finished": [2],
    }
    assert "everything  hyperhttp-everything  3.2.1" in table
    assert "every enabled plugin loads and its hooks run" in table
    assert greeting.strip() == "hello you"


SCHEMES = """
import json
from hyperhttp.plugins import compile_plugins

print(json.dumps(sorted(compile_plugins().proxy_connectors)))
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_socks_proxies_are_spoken_to_exactly_when_their_extra_is_installed(python, dist):
    install(python, dist, "hyperhttp[socks]")
    assert ask(python, SCHEMES) == ["http", "https", "socks4", "socks4a", "socks5", "socks5h"]
    uninstall(python, "hyperhttp-socks", "socksio")
    assert ask(python, SCHEMES) == ["http", "https"]
