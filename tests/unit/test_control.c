// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    int ends[2];
    char packet[FQ_CONTROL_MAX + 1], type;
    size_t len;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    return fixture != NULL ? fq_control_pair(fixture->ends) : -1;
}
static int tear_down(void **state) {
    struct fixture *fixture = *state;
    close(fixture->ends[0]);
    close(fixture->ends[1]);
    free(fixture);
    return 0;
}
static int receive(struct fixture *fixture) {
    return fq_control_receive(fixture->ends[1], &fixture->type, fixture->packet, &fixture->len);
}

static void packets_keep_their_bounds(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(receive(fixture), 0);
    assert_int_equal(fq_control_send(fixture->ends[0], FQ_CONTROL_WAKE, NULL, 0), 0);
    assert_int_equal(fq_control_send(fixture->ends[0], FQ_CONTROL_FAILED, "no such module", 14), 0);
    assert_int_equal(receive(fixture), 1);
    assert_true(fixture->type == FQ_CONTROL_WAKE && fixture->len == 0 && fixture->packet[0] == '\0');
    assert_int_equal(receive(fixture), 1);
    assert_true(fixture->type == FQ_CONTROL_FAILED && fixture->len == 14);
    assert_string_equal(fixture->packet, "no such module");
    assert_int_equal(receive(fixture), 0);
}

static void the_largest_packet_fits_and_no_larger_one(void **state) {
    struct fixture *fixture = *state;
    char *bytes = calloc(1, FQ_CONTROL_MAX);
    assert_int_equal(fq_control_send(fixture->ends[0], FQ_CONTROL_FAILED, bytes, FQ_CONTROL_MAX), FQ_ETOOBIG);
    assert_int_equal(fq_control_send(fixture->ends[0], FQ_CONTROL_FAILED, bytes, FQ_CONTROL_MAX - 1), 0);
    assert_int_equal(receive(fixture), 1);
    assert_int_equal(fixture->len, FQ_CONTROL_MAX - 1);
    // A broken peer may send more than we would: what does not fit is cut, nothing is overrun.
    char *huge = calloc(1, FQ_CONTROL_MAX * 2);
    memset(huge, 'x', FQ_CONTROL_MAX * 2);
    assert_true(send(fixture->ends[0], huge, FQ_CONTROL_MAX * 2, 0) > 0);
    assert_int_equal(receive(fixture), 1);
    assert_int_equal(fixture->len, FQ_CONTROL_MAX - 1);
    free(huge);
    free(bytes);
}

static void a_peer_that_does_not_read_or_is_gone_is_told_apart(void **state) {
    struct fixture *fixture = *state;
    int rc = 0;
    for (int i = 0; i < 100000 && rc == 0; i++)
        rc = fq_control_send(fixture->ends[0], FQ_CONTROL_NUDGE, NULL, 0);
    assert_int_equal(rc, FQ_EAGAIN);
    close(fixture->ends[0]);
    while ((rc = receive(fixture)) == 1)
        continue;
    assert_int_equal(rc, FQ_EDISCONNECTED);
    assert_int_equal(fq_control_send(fixture->ends[1], FQ_CONTROL_WAKE, NULL, 0), FQ_EDISCONNECTED);
    close(fixture->ends[1]);
    assert_int_equal(fq_control_pair(fixture->ends), 0);
}

static void a_setup_arrives_whole(void **state) {
    (void)state;
    char texts[9][40];
    for (int i = 0; i < 9; i++)
        snprintf(texts[i], sizeof texts[i], "value %d \"quoted\" gr\xc3\xbcn", i);
    struct fq_runner_setup setup = {texts[0],  texts[1], texts[2], texts[3], texts[4],
                                    texts[5],  texts[6], texts[7], texts[8], 100,
                                    INT64_MAX, true,     true,     true,     false};
    size_t len;
    char *packet = fq_runner_setup_encode(&setup, &len);
    assert_non_null(packet);
    struct fq_runner_setup back;
    assert_int_equal(fq_runner_setup_decode(packet, len, &back), 0);
    assert_string_equal(back.version, texts[0]);
    assert_string_equal(back.token, texts[3]);
    assert_string_equal(back.instance, texts[8]);
    assert_true(back.async_concurrency == 100 && back.max_tasks == INT64_MAX && back.allow_pickle);
    assert_true(back.telemetry && back.traces && !back.logs);
    fq_runner_setup_done(&back);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(fq_runner_setup_decode(packet, cut, &back), FQ_EPROTOCOL);
    free(packet);
    assert_int_equal(fq_runner_setup_decode("{}", 2, &back), 0);
    assert_string_equal(back.address, "");
    fq_runner_setup_done(&back);
    assert_int_equal(fq_runner_setup_decode("[]", 2, &back), FQ_EPROTOCOL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(packets_keep_their_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_largest_packet_fits_and_no_larger_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_peer_that_does_not_read_or_is_gone_is_told_apart, set_up,
                                        tear_down),
        cmocka_unit_test(a_setup_arrives_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
