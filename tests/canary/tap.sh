#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What the truth program prints when a case does not hold, with an exit status that lies. It must be seen to fail.
echo "1..2"
echo "ok 1 - keep-alive"
echo "not ok 2 - pipelining: 999 of 1000 requests counted"
