from __future__ import annotations

from typing import Any

import pytest

from hyperhttp import Response
from hyperhttp.pipeline.expecting import expect_continue

EXPECT = {"Expect": "100-continue"}


async def test_what_a_server_does_not_know_is_sent_without_it(new_call: Any, stage: Any) -> None:
    call = new_call("POST", content=b"x", headers=EXPECT)
    sent = stage(Response(417), Response(200))
    assert (await expect_continue(call, sent)).status_code == 200
    assert sent.fields("expect") == ["100-continue", None]
    assert call.head is None
    (attempt,) = call.attempts
    assert (attempt.cause, attempt.status_code) == ("expectation", 417)


@pytest.mark.parametrize("status", [200, 413, 500])
async def test_any_other_answer_is_the_answer(new_call: Any, stage: Any, status: int) -> None:
    sent = stage(Response(status))
    assert (await expect_continue(new_call("POST", content=b"x", headers=EXPECT), sent)).status_code == status
    assert len(sent.seen) == 1


async def test_417_without_an_expectation_is_the_answer(new_call: Any, stage: Any) -> None:
    sent = stage(Response(417))
    call = new_call("POST", content=b"x", headers=EXPECT)
    assert (await expect_continue(call, sent)).status_code == 417  # the second one is not asked again
    assert len(sent.seen) == 2


async def test_content_that_is_gone_is_not_sent_again(new_call: Any, stage: Any) -> None:
    call = new_call("POST", content=iter([b"x"]), headers=EXPECT)
    call.request.content.source.started = True
    sent = stage(Response(417))
    assert (await expect_continue(call, sent)).status_code == 417
    assert len(sent.seen) == 1
