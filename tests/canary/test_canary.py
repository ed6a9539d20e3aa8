# SPDX-License-Identifier: Apache-2.0
"""A test that must fail: see test_canary.c."""


def test_must_fail():
    assert 1 == 2
