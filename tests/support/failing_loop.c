// SPDX-License-Identifier: Apache-2.0
#include "support/failing_loop.h"

#include "support/certificates.h"
#include "support/failing_call.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { DESCRIPTORS_MAX = 4096 };

static struct failing_loop world;

struct failing_loop *failing_loop(void) {
    return &world;
}

int failing_loop_make_directory(void **state) {
    (void)state;
    fq_test_certificates_begin(world.directory);
    return 0;
}

int failing_loop_remove_directory(void **state) {
    (void)state;
    fq_test_certificates_end(world.directory);
    return 0;
}

int failing_loop_set_up(void **state) {
    (void)state;
    failing_call_set(NULL, 0, 0);
    return uv_loop_init(&world.loop);
}

static void close_walked(uv_handle_t *handle, void *context) {
    (void)context;
    if (!uv_is_closing(handle))
        fail_msg("a handle was left open: %s", uv_handle_type_name(handle->type));
}

int failing_loop_tear_down(void **state) {
    (void)state;
    failing_call_set(NULL, 0, 0);
    uv_run(&world.loop, UV_RUN_NOWAIT);
    uv_walk(&world.loop, close_walked, NULL);
    assert_int_equal(uv_loop_close(&world.loop), 0);
    return 0;
}

// Asks for each, because opening /proc/self/fd may be what a test lets fail.
int failing_loop_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

void failing_loop_run_until(const int *count, int least) {
    for (int i = 0; i < 2000 && *count < least; i++) {
        uv_run(&world.loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_true(*count >= least);
}
