from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.cli.demo_steps import STEPS, Stage, StepFailedError
from hyperhttp.testing import Origin, Reply

if TYPE_CHECKING:
    from hyperhttp.cli.demo_steps import Step

BY_NAME = {step.run.__name__: step for step in STEPS}


@pytest.fixture
def stage(hyperhttp_http2_origin: Any) -> Stage:
    origin = hyperhttp_http2_origin
    origin.clear()
    return Stage(
        url=origin.url,
        secure_url=origin.https_url,
        verify=origin.ca_pem,
        is_local=True,
        is_fast=True,
        live=lambda text: None,
    )


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.run.__name__)
async def test_each_step_holds_and_says_something(stage: Stage, step: Step) -> None:
    said = await step.run(stage)
    assert 10 < len(said) < 200
    assert "\n" not in said


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.run.__name__)
def test_what_is_shown_of_a_step_fits_into_eighty_columns(step: Step) -> None:
    assert 0 < len(step.title) <= 74
    assert 0 < len(step.code) <= 74


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("get_json", "500"),
        ("many_at_once", "500"),
        ("followed_redirects", "200"),
        ("stale_connection", "404"),
        ("verified_tls", "404"),
        ("blocking_threads", "404"),
        ("multiplexed", "404"),
    ],
)
async def test_a_step_fails_when_the_origin_answers_wrongly(
    stage: Stage, hyperhttp_http2_origin: Any, name: str, fault: str
) -> None:
    hyperhttp_http2_origin.faults.add(fault, times=None)
    with pytest.raises((StepFailedError, ValueError)):
        await BY_NAME[name].run(stage)
    hyperhttp_http2_origin.clear()


@pytest.mark.parametrize("name", ["streamed_download", "streamed_upload"])
async def test_a_step_fails_when_the_content_is_corrupt(stage: Stage, hyperhttp_http2_origin: Any, name: str) -> None:
    for method, path in (("GET", "/bytes/4194304"), ("POST", "/sha256")):
        hyperhttp_http2_origin.faults.add("corrupt", method=method, path=path, times=None)
    with pytest.raises((StepFailedError, ValueError)):
        await BY_NAME[name].run(stage)
    hyperhttp_http2_origin.clear()


async def test_a_step_fails_when_half_a_response_passes(stage: Stage, hyperhttp_http2_origin: Any) -> None:
    hyperhttp_http2_origin.faults.add("200", path="/bytes/100000")
    with pytest.raises(StepFailedError, match="half a response"):
        await BY_NAME["typed_truncation"].run(stage)


async def test_a_step_fails_when_nothing_is_slow(stage: Stage) -> None:
    with Origin() as origin:
        origin.route("/delay/3")(lambda exchange: Reply())
        with pytest.raises(StepFailedError, match="was waited for"):
            await BY_NAME["typed_timeout"].run(replace(stage, url=origin.url))


async def test_a_coding_without_its_plugin_is_named(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERHTTP_PLUGINS", "")
    said = await BY_NAME["decoded_content"].run(stage)
    assert "br: pip install 'hyperhttp[brotli]', zstd: pip install 'hyperhttp[zstd]'" in said


async def test_http1_is_reported_as_what_it_is(stage: Stage, origin: Any) -> None:
    plain = replace(stage, url=origin.url, secure_url=origin.https_url, verify=origin.ca_pem)
    said = await BY_NAME["multiplexed"].run(plain)
    assert said.startswith("HTTP/1.1 (HTTP/2 was not negotiated): 30 answers in ")


async def test_a_distant_origin_is_not_asked_to_be_distrusted(stage: Stage) -> None:
    said = await BY_NAME["verified_tls"].run(replace(stage, is_local=False))
    assert said.startswith("200 over https")
