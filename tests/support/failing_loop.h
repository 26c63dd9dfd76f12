// SPDX-License-Identifier: Apache-2.0
// The loop and the directory of tests that make calls fail: whatever failed, no handle and no descriptor may be left.
#ifndef FQ_TESTS_FAILING_LOOP_H
#define FQ_TESTS_FAILING_LOOP_H

#include <uv.h>

struct failing_loop {
    char directory[32]; // with room for certificates
    uv_loop_t loop;
};

/** The one of this program; cmocka's functions below make and end what is in it. */
struct failing_loop *failing_loop(void);

int failing_loop_make_directory(void **state);
int failing_loop_remove_directory(void **state);
/** Begins a test: no call fails, the loop is new. */
int failing_loop_set_up(void **state);
/** Ends it; a handle that is still open fails the test. */
int failing_loop_tear_down(void **state);

/** How many descriptors the process has open. */
int failing_loop_descriptors(void);
/** Turns the loop until `count` is at least `least`; fails the test after two seconds. */
void failing_loop_run_until(const int *count, int least);

#endif
