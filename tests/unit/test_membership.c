// SPDX-License-Identifier: Apache-2.0
// A control plane's place in the map of shards, on a register that fails and that others write.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/membership.h"
#include "sim/log.h"

struct fates {
    enum sim_log_fate get, put; // of the next
};

static enum sim_log_fate fate_of(void *context, enum sim_log_call call, enum fq_stream_part part) {
    (void)part;
    struct fates *fates = context;
    enum sim_log_fate *fate = call == SIM_LOG_PUT ? &fates->put : &fates->get, now = *fate;
    *fate = SIM_LOG_DONE;
    return now;
}

static void step_until_known(struct fq_membership *membership, fq_stream *stream, bool leads) {
    for (int i = 0; i < 10; i++) {
        if (fq_membership_step(membership, stream, leads) == 1)
            return;
    }
    fail_msg("the map does not become known");
}

static void the_first_founds_and_the_others_find(void **state) {
    (void)state;
    struct fates fates = {SIM_LOG_DONE, SIM_LOG_DONE};
    struct sim_log_config config = {.fate = fate_of, .context = &fates};
    sim_log *log = sim_log_new(&config);
    fq_stream *stream = sim_log_open(log);
    struct fq_membership late = {.shard = 7, .address = "h7:1"};
    struct fq_membership first = {.shard = 0, .founding_count = 2, .address = "h0:1"};
    struct fq_membership standby = {.shard = 0, .founding_count = 2, .address = "h0:2"};
    step_until_known(&late, stream, true);
    assert_int_equal(late.map.version, 0); // it was told of no founding
    fates.put = SIM_LOG_UNANSWERED;
    step_until_known(&first, stream, true);
    assert_int_equal(first.map.version, 1);
    assert_int_equal(first.map.count, 3);
    assert_true(fq_shard_is_active(fq_shard_find(&first.map, 1)));
    assert_false(fq_shard_is_active(fq_shard_find(&first.map, 7)));
    fates.get = SIM_LOG_LOST;
    assert_int_equal(fq_membership_step(&standby, stream, false), FQ_EAGAIN);
    fates.put = SIM_LOG_UNDER_WAY;
    step_until_known(&standby, stream, false);
    assert_string_equal(fq_shard_find(&standby.map, 0)->addresses, "h0:1,h0:2");
    assert_int_equal(fq_membership_step(&standby, stream, false), 0); // nothing is new
    step_until_known(&standby, stream, true);                         // it has taken over
    assert_string_equal(fq_shard_find(&standby.map, 0)->addresses, "h0:2,h0:1");
    step_until_known(&first, stream, false);
    assert_string_equal(fq_shard_find(&first.map, 0)->addresses, "h0:2,h0:1");
    fq_membership_done(&late);
    fq_membership_done(&first);
    fq_membership_done(&standby);
    stream->ops->close(stream);
    sim_log_free(log);
}

static void what_is_no_map_is_left_alone(void **state) {
    (void)state;
    sim_log *log = sim_log_new(&(struct sim_log_config){0});
    fq_stream *stream = sim_log_open(log);
    assert_int_equal(sim_log_set_register(log, FQ_STREAM_SHARDS, FQ_STR("somebody else's")), 0);
    struct fq_membership membership = {.founding_count = 1, .address = "h:1"};
    assert_int_equal(fq_membership_step(&membership, stream, true), FQ_ECORRUPT);
    struct fq_shard_map map;
    uint64_t revision;
    assert_int_equal(fq_shard_register_get(stream, &map, &revision), FQ_ECORRUPT);
    fq_membership_done(&membership);
    stream->ops->close(stream);
    sim_log_free(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_founds_and_the_others_find),
        cmocka_unit_test(what_is_no_map_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
