/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resident memory: giving back what only the start needed.
 */
#pragma once

/* Lets go of the pages of programs and libraries that nobody has written to: code and constants. Those that are still
 * needed come back from the page cache when they are next used. */
void resident_forget_code(void);
