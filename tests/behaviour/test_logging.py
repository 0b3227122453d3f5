"""The logger ``hyperhttp`` at DEBUG: what happens is told, and no secret with it."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "hyperhttp")
    return caplog


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.name == "hyperhttp"]


@pytest.mark.parametrize("http2", [False, "prior-knowledge"])
async def test_each_attempt_is_a_line(face: Any, hyperhttp_http2_origin: Origin, http2: Any, log: Any) -> None:
    url = hyperhttp_http2_origin.url
    async with face.client(http2=http2, follow_redirects=True) as client:
        await client.read(await client.get(url + "/redirect/1?token=hunter2"))
    told = lines(log)
    version = "HTTP/2" if http2 else "HTTP/1.1"
    assert told[0].startswith("connection ")
    assert f" opened ({version}, 127.0.0.1)" in told[0]
    assert told[1].startswith(f"GET {url}/redirect/1?token=[secret]: 302 over {version} in ")
    assert told[2].startswith(f"GET {url}/redirect/1?token=[secret]: 302 leads to GET {url}/")
    assert ": 200 over " in told[3]
    assert " closed (" in told[4]
    assert len(told) == 5


async def test_secrets_are_not_told(face: Any, origin: Origin, log: Any) -> None:
    with_secret = origin.url.replace("://", "://me:hunter2@")
    async with face.client(cookies={"a": "hunter2"}, headers={"X-Api-Key": "hunter2"}) as client:
        await client.get(with_secret + "/get?api_key=hunter2")
        await client.post(origin.url + "/post", auth=("me", "hunter2"), json={"password": "hunter2"})
        with pytest.raises(hyperhttp.TransportError):
            await client.get("http://me:hunter2@127.0.0.1:1/?token=hunter2")
    assert len(lines(log)) >= 4
    assert not any("hunter2" in str(vars(record)) for record in log.records)


async def test_failures_and_retries_are_told(face: Any, hyperhttp_scripted_server: Any, log: Any) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    from hyperhttp.errors.retry import RetryPolicy

    policy = RetryPolicy(max_retries=1, status_force_list=[503])
    async with face.client(retry=policy) as client:
        await client.get(hyperhttp_scripted_server([busy, ok]).url)
        with pytest.raises(hyperhttp.TransportError):
            await client.get(hyperhttp_scripted_server([b"nonsense\r\n\r\n"] * 2).url, retry=False)
    told = lines(log)
    assert any(": retry 1 in " in line and line.endswith(" after 503") for line in told)
    assert any(": RemoteProtocolError: " in line for line in told)


async def test_without_debug_nothing_is_told(face: Any, origin: Origin, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hyperhttp")
    async with face.client() as client:
        await client.get(origin.url + "/get")
        assert not client.raw._core._attempts
    assert lines(caplog) == []


def test_a_client_does_not_import_logging(origin: Origin) -> None:
    code = "import sys, hyperhttp; hyperhttp.SyncClient(plugins=[]).close(); assert 'logging' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
