# SPDX-License-Identifier: Apache-2.0
"""What newer servers brought. The one that is installed may be older: POSTGRES_BIN names the folder of another one's
programs, for all tests of PostgreSQL."""

import os

import pytest

import test_postgres_drivers  # pylint: disable=unused-import  # first: it finds the modules of tests/e2e

from test_postgres import fixture_before, fixture_bench  # pylint: disable=unused-import

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.mark.parametrize("since, settings", [
    (17, {"PGSSLMODE": "require", "PGSSLNEGOTIATION": "direct"}),
    (18, {"PGMINPROTOCOLVERSION": "3.2"}),
    (18, {"PGSSLMODE": "require", "PGSSLNEGOTIATION": "direct", "PGMINPROTOCOLVERSION": "3.2"}),
], ids=["direct-tls", "protocol-3.2", "both"])
def test_newer(bench, before, since, settings):
    """TLS from the first byte; the protocol's newer version."""
    if bench.server.version() < since:
        pytest.skip(f"PostgreSQL {since} began with it")
    database = bench.database()
    bench.run(["pgbench", "-n", "-S", "-M", "prepared", "-c", "4", "-t", "50", database], database, **settings)
    assert bench.server.books(database)["SELECT"] == 200 + 2
    bench.expect(database, before)
