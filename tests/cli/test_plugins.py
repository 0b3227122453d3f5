from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.plugins.manager import PluginInfo

if TYPE_CHECKING:
    from collections.abc import Callable

ZSTD = PluginInfo("zstd", "hyperhttp-zstd", "1.2", 1, ("hyperhttp_register_decoders",))
LEFT_OUT = PluginInfo("off", "some-plugin", "0.1", status="disabled", disabled_by="HYPERHTTP_PLUGINS")
BROKEN = PluginInfo("sad", "sad-plugin", "3", status="broken", error="plugin 'sad' could\n not be loaded")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[bool]]:
    """Says which plugins are installed; gives a list of how they were looked at."""

    def install(*infos: PluginInfo) -> list[bool]:
        asked: list[bool] = []

        def installed_plugins(*, check: bool = False) -> tuple[PluginInfo, ...]:
            asked.append(check)
            return infos

        monkeypatch.setattr("hyperhttp.cli.plugins.installed_plugins", installed_plugins)
        return asked

    return install


def test_plugins_are_a_table(run: Callable[..., Any], installed: Callable[..., Any]) -> None:
    asked = installed(LEFT_OUT, ZSTD)
    result = run("plugins")
    assert result.code == 0
    assert result.out.splitlines() == [
        "PLUGIN  DISTRIBUTION    VERSION  STATUS    HOOKS",
        "off     some-plugin     0.1      disabled  -",
        "zstd    hyperhttp-zstd  1.2      enabled   decoders",
        "",
        "off: left out by HYPERHTTP_PLUGINS",
    ]
    assert asked == [False]


def test_plugins_are_json(run: Callable[..., Any], installed: Callable[..., Any]) -> None:
    installed(ZSTD)
    assert json.loads(run("plugins", "--json").out) == [
        {
            "name": "zstd",
            "distribution": "hyperhttp-zstd",
            "version": "1.2",
            "api": 1,
            "hooks": ["hyperhttp_register_decoders"],
            "status": "enabled",
            "disabled_by": "",
            "error": "",
        }
    ]


def test_a_check_that_succeeds_says_so(run: Callable[..., Any], installed: Callable[..., Any]) -> None:
    asked = installed(ZSTD, LEFT_OUT)
    result = run("plugins", "--check")
    assert result.code == 0
    assert "every enabled plugin loads and its hooks run" in result.out
    assert asked == [True]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_check_fails_for_a_broken_one(
    run: Callable[..., Any], installed: Callable[..., Any], more: list[str]
) -> None:
    installed(BROKEN, ZSTD)
    assert run("plugins", "--check", *more).code == 1
    assert run("plugins", *more).code == 0


def test_the_reason_for_a_broken_one_is_on_one_line(run: Callable[..., Any], installed: Callable[..., Any]) -> None:
    installed(BROKEN)
    out = run("plugins").out
    assert "\nsad: plugin 'sad' could not be loaded\n" in out


def test_without_plugins_it_says_what_to_install(run: Callable[..., Any], installed: Callable[..., Any]) -> None:
    installed()
    assert "pip install" in run("plugins").out


def test_what_is_really_installed_is_listed(run: Callable[..., Any]) -> None:
    infos = json.loads(run("plugins", "--json", "--check").out)
    assert all(info["status"] == "enabled" for info in infos)
    assert all(name.startswith("hyperhttp_register_") for info in infos for name in info["hooks"])


def test_unknown_options_are_refused(run: Callable[..., Any]) -> None:
    result = run("plugins", "--no")
    assert (result.code, result.err.count("\n")) == (2, 1)
