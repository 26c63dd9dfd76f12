// SPDX-License-Identifier: Apache-2.0
// The register that says who leads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "journal/leader.h"
#include "sim/log.h"

struct fates {
    enum sim_log_fate put; // of the next put
    bool get_fails;
};

static enum sim_log_fate fate_of(void *context, enum sim_log_call call, enum fq_stream_part part) {
    (void)part;
    struct fates *fates = context;
    if (call == SIM_LOG_GET && fates->get_fails)
        return SIM_LOG_LOST;
    if (call != SIM_LOG_PUT)
        return SIM_LOG_DONE;
    enum sim_log_fate fate = fates->put;
    fates->put = SIM_LOG_DONE;
    return fate;
}

static sim_log *new_log(struct fates *fates) {
    struct sim_log_config config = {.fate = fate_of, .context = fates};
    sim_log *log = sim_log_new(&config);
    assert_non_null(log);
    return log;
}

static struct fq_leader leader_of(const char *id, uint64_t beat, uint64_t revision) {
    struct fq_leader leader = {.is_active = true, .beat = beat, .revision = revision, .address = "h:1"};
    strcpy(leader.id, id);
    return leader;
}

static void what_is_put_is_got(void **state) {
    (void)state;
    struct fates fates = {0};
    sim_log *log = new_log(&fates);
    fq_stream *stream = sim_log_open(log);
    struct fq_leader got, mine = leader_of("a control plane with a long name", 7, 0);
    assert_int_equal(fq_leader_get(stream, &got), 0);
    assert_int_equal(got.revision, 0);
    assert_false(got.is_active);
    assert_int_equal(fq_leader_put(stream, &mine), 0);
    assert_int_equal(fq_leader_get(stream, &got), 0);
    assert_true(got.is_active);
    assert_int_equal(got.beat, 7);
    assert_string_equal(got.address, "h:1");
    assert_string_equal(got.id, mine.id);
    assert_int_equal(got.revision, mine.revision);
    mine.is_active = false;
    assert_int_equal(fq_leader_put(stream, &mine), 0);
    assert_int_equal(fq_leader_get(stream, &got), 0);
    assert_false(got.is_active);
    stream->ops->close(stream);
    sim_log_free(log);
}

static void who_is_late_is_refused(void **state) {
    (void)state;
    struct fates fates = {0};
    sim_log *log = new_log(&fates);
    fq_stream *stream = sim_log_open(log);
    struct fq_leader first = leader_of("a", 1, 0), second = leader_of("b", 1, 0);
    assert_int_equal(fq_leader_put(stream, &first), 0);
    assert_int_equal(fq_leader_put(stream, &second), FQ_ELOCKED);
    // Not even when nobody tells.
    fates.put = SIM_LOG_UNANSWERED;
    assert_int_equal(fq_leader_put(stream, &second), FQ_ELOCKED);
    stream->ops->close(stream);
    sim_log_free(log);
}

static void a_lost_answer_is_looked_after(void **state) {
    (void)state;
    struct fates fates = {.put = SIM_LOG_UNANSWERED};
    sim_log *log = new_log(&fates);
    fq_stream *stream = sim_log_open(log);
    struct fq_leader mine = leader_of("a", 1, 0), got;
    assert_int_equal(fq_leader_put(stream, &mine), 0);
    assert_int_equal(fq_leader_get(stream, &got), 0);
    assert_int_equal(mine.revision, got.revision);
    fates.put = SIM_LOG_LOST;
    mine.beat = 2;
    assert_int_equal(fq_leader_put(stream, &mine), FQ_EAGAIN);
    fates = (struct fates){.put = SIM_LOG_UNANSWERED, .get_fails = true};
    assert_int_equal(fq_leader_put(stream, &mine), FQ_EAGAIN);
    // A servers' leader that is about to take the first one refuses the second.
    fates = (struct fates){.put = SIM_LOG_UNDER_WAY};
    assert_int_equal(fq_leader_put(stream, &mine), FQ_EAGAIN);
    fates = (struct fates){.put = SIM_LOG_BROKEN};
    assert_int_equal(fq_leader_put(stream, &mine), FQ_EIO);
    stream->ops->close(stream);
    sim_log_free(log);
}

// Whatever somebody wrote there: it names nobody, and can be replaced.
static void nonsense_counts_as_nobody(void **state) {
    (void)state;
    static char long_word[600];
    memset(long_word, 'x', sizeof long_word - 1);
    memcpy(long_word, "FQA1 active 1 ", 14);
    const char *const texts[] = {"nonsense",
                                 "FQA1",
                                 "FQA1 active",
                                 "FQA1 active x h:1 id",
                                 "FQA1 active -1 h:1 id",
                                 "FQA2 active 1 h:1 id",
                                 " ",
                                 long_word};
    struct fates fates = {0};
    sim_log *log = new_log(&fates);
    fq_stream *stream = sim_log_open(log);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(sim_log_set_register(log, FQ_STREAM_LEADER, fq_str_of(texts[i])), 0);
        struct fq_leader got;
        assert_int_equal(fq_leader_get(stream, &got), 0);
        assert_false(got.is_active);
        assert_string_equal(got.address, "");
        struct fq_leader mine = leader_of("a", got.beat + 1, got.revision);
        assert_int_equal(fq_leader_put(stream, &mine), 0);
    }
    stream->ops->close(stream);
    sim_log_free(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_got),
        cmocka_unit_test(who_is_late_is_refused),
        cmocka_unit_test(a_lost_answer_is_looked_after),
        cmocka_unit_test(nonsense_counts_as_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
