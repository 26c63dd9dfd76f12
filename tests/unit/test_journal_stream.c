// SPDX-License-Identifier: Apache-2.0
// The journal on a replicated log: what is durable stays, one writes, and whatever became of a call that nobody answered is found out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "journal/compaction.h"
#include "journal/journal.h"
#include "journal/storage_stream.h"
#include "sim/log.h"
#include "sim/step_executor.h"

enum { RECORDS_MAX = 100000 };

static int64_t boot_us = 1000000;

static int64_t clock_us(void) {
    return boot_us += 1000;
}

// A control plane's journal on the log, and what is known of each record: its number is its content.
struct writer {
    fq_executor *executor;
    fq_storage *storage;
    fq_journal *journal;
    uint64_t appended, recovered;
    char error[FQ_STORAGE_ERROR_MAX];
};

struct fates {
    enum sim_log_fate next[32]; // of the calls of `call`, the first ones
    enum sim_log_call call;
    int count, at;
    fq_random *random; // or by chance
    uint32_t percent;
};

static enum sim_log_fate fate_of(void *context, enum sim_log_call call, enum fq_stream_part part) {
    (void)part;
    struct fates *fates = context;
    if (fates->random != NULL && fq_random_below(fates->random, 100) < fates->percent)
        return (enum sim_log_fate)(SIM_LOG_LOST + fq_random_below(fates->random, 4));
    return fates->at < fates->count && call == fates->call ? fates->next[fates->at++] : SIM_LOG_DONE;
}

static sim_log *new_log(struct fates *fates) {
    struct sim_log_config config = {.fate = fate_of, .context = fates};
    sim_log *log = sim_log_new(&config);
    assert_non_null(log);
    return log;
}

static int on_record(void *context, fq_str record) {
    struct writer *writer = context;
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, ++writer->recovered);
    return fq_str_equal(record, fq_str_of(text)) ? 0 : FQ_ECORRUPT;
}

static struct fq_now now(void) {
    return (struct fq_now){boot_us, 1700000000000000 + boot_us};
}

static int open_writer(struct writer *writer, sim_log *log) {
    *writer = (struct writer){.executor = step_executor_new()};
    static const struct fq_storage_stream_options options = {.instance = {"an instance uuid"},
                                                             .unanswered_us = 1500000,
                                                             .retry_us = 100000,
                                                             .start_limit_us = 30000000,
                                                             .clock_us = clock_us};
    int result = fq_storage_stream_open(sim_log_open(log), writer->executor, &options, &writer->storage,
                                        writer->error);
    if (result < 0)
        return result;
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    config.batch_records_max = 3;
    assert_int_equal(fq_journal_open(writer->storage, &config, &writer->journal), 0);
    result = fq_journal_recover(writer->journal, on_record, writer);
    if (result == 0)
        result = fq_journal_start(writer->journal, now());
    if (result < 0) {
        snprintf(writer->error, sizeof writer->error, "%s", fq_journal_error(writer->journal));
        writer->journal = fq_journal_close(writer->journal);
    }
    writer->appended = writer->recovered;
    return result;
}

static void append(struct writer *writer) {
    char text[32];
    uint64_t seq;
    snprintf(text, sizeof text, "%" PRIu64, writer->appended + 1);
    if (fq_journal_append(writer->journal, fq_str_of(text), &seq) == 0)
        assert_int_equal(seq, ++writer->appended);
}

static void turn(struct writer *writer) {
    boot_us += 10000;
    fq_journal_poll(writer->journal, now());
    fq_journal_commit(writer->journal, now());
    step_executor_run_one(writer->executor);
    fq_journal_poll(writer->journal, now());
}

static void settle(struct writer *writer) {
    for (int i = 0; i < 1000 && !fq_journal_failed(writer->journal) &&
                    fq_journal_durable_seq(writer->journal) < writer->appended;
         i++)
        turn(writer);
}

static void close_writer(struct writer *writer) {
    writer->journal = fq_journal_close(writer->journal);
}

static void what_is_durable_comes_back(void **state) {
    (void)state;
    struct fates fates = {0};
    sim_log *log = new_log(&fates);
    struct writer writer;
    for (uint32_t boot = 1; boot <= 5; boot++) {
        assert_int_equal(open_writer(&writer, log), 0);
        assert_int_equal(writer.recovered, (boot - 1) * 100);
        assert_int_equal(fq_journal_boot_epoch(writer.journal), boot);
        for (int i = 0; i < 100; i++)
            append(&writer);
        settle(&writer);
        assert_int_equal(fq_journal_durable_seq(writer.journal), writer.appended);
        close_writer(&writer);
    }
    sim_log_free(log);
}

static void who_was_deposed_writes_nothing_more(void **state) {
    (void)state;
    struct fates fates = {0};
    sim_log *log = new_log(&fates);
    struct writer old, new;
    assert_int_equal(open_writer(&old, log), 0);
    append(&old);
    settle(&old);
    assert_int_equal(open_writer(&new, log), 0);
    assert_int_equal(new.recovered, 1);
    append(&old);
    settle(&old);
    assert_true(fq_journal_failed(old.journal));
    assert_int_equal(fq_journal_durable_seq(old.journal), 1);
    assert_non_null(strstr(fq_journal_error(old.journal), "another control plane"));
    append(&new);
    settle(&new);
    assert_int_equal(fq_journal_durable_seq(new.journal), 2);
    close_writer(&old);
    close_writer(&new);
    sim_log_free(log);
}

// Two read the same end of the log; only one of them becomes its writer.
static void two_that_start_at_once_are_told_apart(void **state) {
    (void)state;
    struct fates fates = {0};
    sim_log *log = new_log(&fates);
    struct writer first, second;
    assert_int_equal(open_writer(&first, log), 0);
    fates = (struct fates){.call = SIM_LOG_PUBLISH, .next = {SIM_LOG_LOST}, .count = 1};
    close_writer(&first);
    assert_int_equal(open_writer(&first, log), 0); // the second attempt came through
    close_writer(&first);
    // A batch of the one before arrives while the next one starts.
    uint64_t last = sim_log_last(log, FQ_STREAM_LOG);
    assert_int_equal(open_writer(&first, log), 0);
    append(&first);
    fates = (struct fates){.call = SIM_LOG_PUBLISH, .next = {SIM_LOG_DELAYED}, .count = 1};
    turn(&first);
    assert_int_equal(sim_log_last(log, FQ_STREAM_LOG), last + 1);
    int result = open_writer(&second, log);
    assert_int_equal(result, 0); // it was delivered before the second one read the log
    assert_int_equal(second.recovered, 1);
    close_writer(&second);
    close_writer(&first);
    sim_log_free(log);
}

static void what_became_of_a_batch_is_found_out(void **state) {
    (void)state;
    static const enum sim_log_fate fates_of[] = {SIM_LOG_LOST, SIM_LOG_UNANSWERED, SIM_LOG_DELAYED,
                                                 SIM_LOG_FULL, SIM_LOG_UNDER_WAY};
    for (size_t i = 0; i < sizeof fates_of / sizeof *fates_of; i++) {
        struct fates fates = {0};
        sim_log *log = new_log(&fates);
        struct writer writer;
        assert_int_equal(open_writer(&writer, log), 0);
        fates = (struct fates){
            .call = SIM_LOG_PUBLISH, .next = {fates_of[i], fates_of[i], fates_of[i]},
                 .count = 3
        };
        append(&writer);
        settle(&writer);
        append(&writer);
        settle(&writer);
        assert_int_equal(fq_journal_durable_seq(writer.journal), 2);
        assert_int_equal(sim_log_last(log, FQ_STREAM_LOG), 3); // the founding batch and these
        close_writer(&writer);
        assert_int_equal(open_writer(&writer, log), 0);
        assert_int_equal(writer.recovered, 2);
        close_writer(&writer);
        sim_log_free(log);
    }
}

static void silence_blocks_submits_until_it_ends(void **state) {
    (void)state;
    struct fates fates = {0};
    sim_log *log = new_log(&fates);
    struct writer writer;
    assert_int_equal(open_writer(&writer, log), 0);
    fq_random random;
    fq_random_seed(&random, 1);
    struct fq_storage_space space;
    for (int full = 0; full < 2; full++) {
        fates = (struct fates){.call = SIM_LOG_PUBLISH, .count = 32};
        for (int i = 0; i < 32; i++)
            fates.next[i] = full != 0 ? SIM_LOG_FULL : SIM_LOG_LOST;
        append(&writer);
        int64_t since_us = boot_us;
        do {
            turn(&writer);
            fq_journal_space(writer.journal, &space);
        } while (!space.submits_blocked && fates.at < 32);
        assert_true(space.submits_blocked);
        if (full == 0) {
            assert_in_range(boot_us - since_us, 0, 2 * FQ_US_PER_S);
        }
        settle(&writer);
        fq_journal_space(writer.journal, &space);
        assert_false(space.submits_blocked);
    }
    close_writer(&writer);
    sim_log_free(log);
}

static void a_refusal_for_good_ends_the_journal(void **state) {
    (void)state;
    struct fates fates = {0};
    sim_log *log = new_log(&fates);
    struct writer writer;
    assert_int_equal(open_writer(&writer, log), 0);
    fates = (struct fates){.call = SIM_LOG_PUBLISH, .next = {SIM_LOG_BROKEN}, .count = 1};
    append(&writer);
    settle(&writer);
    assert_true(fq_journal_failed(writer.journal));
    assert_non_null(strstr(fq_journal_error(writer.journal), "not allowed"));
    close_writer(&writer);
    sim_log_free(log);
}

static void expect_no_start(sim_log *log, int error, const char *sentence) {
    struct writer writer;
    int result = open_writer(&writer, log);
    if (result != error || strstr(writer.error, sentence) == NULL)
        print_error("%d: %s\n", result, writer.error);
    assert_int_equal(result, error);
    assert_non_null(strstr(writer.error, sentence));
}

static sim_log *log_with_records(struct fates *fates, int count) {
    sim_log *log = new_log(fates);
    struct writer writer;
    assert_int_equal(open_writer(&writer, log), 0);
    for (int i = 0; i < count; i++)
        append(&writer);
    settle(&writer);
    close_writer(&writer);
    return log;
}

static void damage_is_refused(void **state) {
    (void)state;
    struct fates fates = {0};
    sim_log *log = log_with_records(&fates, 30);
    size_t len;
    for (uint64_t seq = 1; seq <= sim_log_last(log, FQ_STREAM_LOG); seq++) {
        char *bytes = sim_log_message(log, FQ_STREAM_LOG, seq, &len);
        for (size_t at = 0; at < len; at += 7) {
            // The padding is covered by the header's length only.
            bytes[at] ^= 0x20;
            struct writer writer;
            int result = open_writer(&writer, log);
            if (result == 0) {
                assert_int_equal(writer.recovered, 30);
                close_writer(&writer);
                sim_log_truncate(log, FQ_STREAM_LOG, sim_log_last(log, FQ_STREAM_LOG) - 1);
            } else {
                assert_int_equal(result, FQ_ECORRUPT);
                assert_non_null(strstr(writer.error, "message"));
            }
            bytes[at] ^= 0x20;
        }
    }
    assert_int_equal(sim_log_set_register(log, FQ_STREAM_FOUNDING, FQ_STR("nonsense")), 0);
    expect_no_start(log, FQ_ECORRUPT, "founding");
    assert_int_equal(sim_log_set_register(log, FQ_STREAM_FOUNDING, FQ_STR("")), 0);
    expect_no_start(log, FQ_ECORRUPT, "bucket");
    sim_log_free(log);
}

// ---- snapshots ----

static int replay_into_nothing(void *context, fq_str record) {
    return on_record(context, record);
}

static int compact(sim_log *log, uint64_t until_batch, char *error) {
    fq_compaction *compaction;
    struct writer replayed = {0};
    int result = fq_compaction_open_stream(sim_log_open(log), until_batch, &compaction, error);
    if (result < 0)
        return result;
    result = fq_compaction_read(compaction, replay_into_nothing, &replayed);
    for (uint64_t i = 1; result == 0 && i <= replayed.recovered; i++) {
        char text[32];
        snprintf(text, sizeof text, "%" PRIu64, i);
        result = fq_compaction_add(compaction, fq_str_of(text));
    }
    if (result == 0)
        result = fq_compaction_finish(compaction, 42);
    if (result < 0)
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s", fq_compaction_error(compaction));
    fq_compaction_close(compaction);
    return result;
}

struct sealing {
    int result;
    uint64_t batch_seq;
    bool done;
};

static void on_sealed(void *context, int result, uint64_t batch_seq) {
    *(struct sealing *)context = (struct sealing){result, batch_seq, true};
}

static int whole_compaction(struct writer *writer, sim_log *log) {
    struct sealing sealing = {0};
    fq_journal_compact_begin(writer->journal, on_sealed, &sealing);
    for (int i = 0; i < 1000 && !sealing.done && !fq_journal_failed(writer->journal); i++)
        turn(writer);
    if (!sealing.done && fq_journal_failed(writer->journal))
        return FQ_ELOCKED;
    assert_true(sealing.done);
    int result = compact(log, sealing.batch_seq, writer->error);
    fq_journal_compact_end(writer->journal, result == 0, sealing.batch_seq);
    for (int i = 0;
         i < 1000 && fq_journal_is_compacting(writer->journal) && !fq_journal_failed(writer->journal); i++)
        turn(writer);
    assert_true(fq_journal_failed(writer->journal) || !fq_journal_is_compacting(writer->journal));
    return result;
}

static void a_snapshot_stands_for_the_log_before_it(void **state) {
    (void)state;
    struct fates fates = {0};
    sim_log *log = new_log(&fates);
    struct writer writer;
    assert_int_equal(open_writer(&writer, log), 0);
    for (int round = 1; round <= 4; round++) {
        for (int i = 0; i < 50; i++)
            append(&writer);
        settle(&writer);
        uint64_t last = sim_log_last(log, FQ_STREAM_LOG);
        assert_int_equal(whole_compaction(&writer, log), 0);
        assert_int_equal(sim_log_first(log, FQ_STREAM_LOG), last + 1);
        if (round % 2 == 0) { // with a log behind the snapshot, and without one
            append(&writer);
            settle(&writer);
        }
        uint64_t appended = writer.appended;
        close_writer(&writer);
        assert_int_equal(open_writer(&writer, log), 0);
        assert_int_equal(writer.recovered, appended);
    }
    close_writer(&writer);
    sim_log_free(log);
}

static void a_compaction_that_fails_changes_nothing(void **state) {
    (void)state;
    static const enum sim_log_call calls[] = {SIM_LOG_FACTS, SIM_LOG_PUBLISH, SIM_LOG_READ,
                                              SIM_LOG_PURGE, SIM_LOG_GET,     SIM_LOG_PUT};
    for (size_t call = 0; call < sizeof calls / sizeof *calls; call++)
        for (int nth = 0; nth < 6; nth++) {
            struct fates fates = {0};
            sim_log *log = log_with_records(&fates, 50);
            struct writer writer;
            assert_int_equal(open_writer(&writer, log), 0);
            fates = (struct fates){.call = calls[call], .count = nth + 1};
            fates.next[nth] = SIM_LOG_BROKEN;
            (void)whole_compaction(&writer, log);
            fates = (struct fates){0};
            if (!fq_journal_failed(writer.journal)) {
                append(&writer);
                settle(&writer);
                assert_int_equal(fq_journal_durable_seq(writer.journal), 51);
                assert_int_equal(whole_compaction(&writer, log), 0);
            }
            uint64_t durable = fq_journal_durable_seq(writer.journal);
            close_writer(&writer);
            assert_int_equal(open_writer(&writer, log), 0);
            assert_int_equal(writer.recovered, durable);
            close_writer(&writer);
            sim_log_free(log);
        }
}

static void servers_that_lost_what_they_acknowledged_are_found_out(void **state) {
    (void)state;
    struct fates fates = {0};
    sim_log *log = new_log(&fates);
    struct writer writer;
    assert_int_equal(open_writer(&writer, log), 0);
    for (int i = 0; i < 50; i++)
        append(&writer);
    settle(&writer);
    assert_int_equal(whole_compaction(&writer, log), 0);
    for (int i = 0; i < 9; i++)
        append(&writer);
    settle(&writer);
    // While it writes: the next batch stands where one of the lost ones stood.
    sim_log_truncate(log, FQ_STREAM_LOG, sim_log_last(log, FQ_STREAM_LOG) - 1);
    append(&writer);
    settle(&writer);
    assert_true(fq_journal_failed(writer.journal));
    close_writer(&writer);
    size_t len;
    char *piece = sim_log_message(log, FQ_STREAM_SNAPSHOTS, sim_log_last(log, FQ_STREAM_SNAPSHOTS), &len);
    piece[len / 2] ^= 1;
    expect_no_start(log, FQ_ECORRUPT, "snapshot");
    sim_log_truncate(log, FQ_STREAM_SNAPSHOTS, 0);
    expect_no_start(log, FQ_ECORRUPT, "snapshot");
    sim_log_free(log);
}

// Writers come and go, calls fail by chance, one compacts now and then: what was durable is always there.
static void by_chance(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        fq_random random;
        fq_random_seed(&random, seed);
        struct fates fates = {0};
        sim_log *log = new_log(&fates);
        struct writer writers[2] = {0};
        uint64_t durable = 0;
        for (int step = 0; step < 400; step++) {
            struct writer *writer = &writers[fq_random_below(&random, 20) == 0];
            fates.random = NULL;
            if (writer->journal == NULL) {
                fates.percent = 10;
                fates.random = fq_random_below(&random, 2) == 0 ? &random : NULL;
                int result = open_writer(writer, log);
                fates.random = NULL;
                assert_true(result == 0 || result == FQ_EAGAIN || result == FQ_ELOCKED || result == FQ_EFULL);
                if (result < 0)
                    continue;
                assert_true(writer->recovered >= durable);
            }
            fates.percent = 30;
            fates.random = fq_random_below(&random, 3) == 0 ? &random : NULL;
            for (uint64_t i = fq_random_below(&random, 8); i > 0; i--)
                append(writer);
            for (uint64_t i = fq_random_below(&random, 8); i > 0; i--)
                turn(writer);
            uint64_t told = fq_journal_durable_seq(writer->journal);
            if (fq_random_below(&random, 40) == 0 && !fq_journal_failed(writer->journal))
                (void)whole_compaction(writer, log);
            if (told > durable)
                durable = told;
            if (fq_journal_failed(writer->journal) || fq_random_below(&random, 30) == 0)
                close_writer(writer);
        }
        fates.random = NULL;
        for (int i = 0; i < 2; i++)
            if (writers[i].journal != NULL)
                close_writer(&writers[i]);
        assert_int_equal(open_writer(&writers[0], log), 0);
        assert_true(writers[0].recovered >= durable);
        close_writer(&writers[0]);
        sim_log_free(log);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_durable_comes_back),
        cmocka_unit_test(who_was_deposed_writes_nothing_more),
        cmocka_unit_test(two_that_start_at_once_are_told_apart),
        cmocka_unit_test(what_became_of_a_batch_is_found_out),
        cmocka_unit_test(silence_blocks_submits_until_it_ends),
        cmocka_unit_test(a_refusal_for_good_ends_the_journal),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(a_snapshot_stands_for_the_log_before_it),
        cmocka_unit_test(a_compaction_that_fails_changes_nothing),
        cmocka_unit_test(servers_that_lost_what_they_acknowledged_are_found_out),
        cmocka_unit_test(by_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
