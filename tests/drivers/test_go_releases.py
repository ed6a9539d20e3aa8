# SPDX-License-Identifier: Apache-2.0
"""crypto/tls as Go's releases have compiled it: each epilogue and each layout of the table of functions there has been,
from the registry in these versions."""

import os
import subprocess

import pytest

from test_postgres_drivers import HERE  # first: it finds the modules of tests/e2e

from http_lab import tool
from test_tls import fixture_agent, fixture_certificate, fixture_lab  # pylint: disable=unused-import
from test_tls_go import exercise

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.mark.parametrize("release", ["1.17.13", "1.18.10", "1.20.14", "1.21.13", "1.23.8"])
def test_go_release(lab, certificate, release):
    environment = {"GOTOOLCHAIN": f"go{release}", "GOENV": "off", "GOFLAGS": ""}
    said = subprocess.run([tool("go"), "version"], env={**os.environ, **environment}, cwd=HERE, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if said.returncode:
        pytest.skip(f"Go {release} cannot be had: {said.stdout.splitlines()[-1]}")
    assert f"go{release} " in said.stdout
    exercise(lab, certificate, environment=environment)
