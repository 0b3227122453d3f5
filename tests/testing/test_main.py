from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from typing import Any

import pytest


@pytest.mark.parametrize("options", [[], ["--no-tls", "--no-http2"]])
def test_the_origin_as_a_program_serves_until_its_input_ends(options: list[str]) -> None:
    command = [sys.executable, "-m", "hyperhttp.testing", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        where: dict[str, Any] = json.loads(program.stdout.readline())
        with urllib.request.urlopen(where["url"] + "/status/200", timeout=10) as response:
            assert response.status == 200
        assert where["http2"] is not bool(options)
        if options:
            assert "https_url" not in where
        else:
            context = ssl.create_default_context(cafile=where["ca_pem"])
            with urllib.request.urlopen(where["https_url"] + "/ip", timeout=10, context=context) as response:
                assert response.status == 200
        program.stdin.close()
        assert program.wait(10) == 0
