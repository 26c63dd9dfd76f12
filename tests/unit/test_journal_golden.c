// SPDX-License-Identifier: Apache-2.0
// Journals of every format that was ever released are read to the state that they were written with, compacted and written
// on; those of formats to come are refused, and the refusal names them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "engine/event_view.h"
#include "journal/format.h"
#include "support/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sim_disk *load(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/golden/1/%s.golden", FQ_SOURCE_DIR, name);
    sim_disk *sim = golden_load(path);
    assert_non_null(sim);
    return sim;
}

static char *load_text(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/golden/1/%s.txt", FQ_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    static char text[1 << 20];
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    return text;
}

// ---- the present format ----

// Whatever boots and compactions follow, the state is the same.
static void write_on(sim_disk *sim, uint64_t state_hash) {
    for (int i = 0; i < 3; i++) {
        struct golden_journal golden;
        struct fq_replica replica;
        char error[FQ_STORAGE_ERROR_MAX] = "";
        assert_int_equal(fq_replica_init(&replica), 0);
        if (golden_journal_open(&golden, sim, &replica, error) != 0)
            fail_msg("boot %d: %s", i, error);
        assert_true(fq_engine_hash(replica.engine) == state_hash);
        fq_engine_check(replica.engine);
        assert_int_equal(golden_journal_compact(&golden), 0);
        golden_journal_close(&golden);
        fq_replica_done(&replica);
    }
}

static void read_golden(const char *name, uint64_t *seen) {
    sim_disk *sim = load(name);
    struct fq_replica replica;
    fq_buf text = {0};
    char error[FQ_STORAGE_ERROR_MAX] = "";
    assert_int_equal(fq_replica_init(&replica), 0);
    if (golden_dump(sim, &text, &replica, error) != 0)
        fail_msg("%s: %s", name, error);
    assert_int_equal(fq_buf_append_byte(&text, '\0'), 0);
    assert_string_equal(text.data + text.begin, load_text(name));
    for (int type = 1; type < FQ_EVENT_DURABLE_COUNT; type++)
        seen[type] += replica.event_count[type];
    write_on(sim, fq_engine_hash(replica.engine));
    fq_buf_done(&text);
    fq_replica_done(&replica);
    sim_disk_free(sim);
}

static void test_format_1(void **state) {
    (void)state;
    uint64_t seen[FQ_EVENT_DURABLE_COUNT] = {0};
    read_golden("complete", seen);
    read_golden("compacted", seen);
    read_golden("losses", seen);
    for (int type = 1; type < FQ_EVENT_DURABLE_COUNT; type++)
        if (seen[type] == 0)
            fail_msg("no golden journal has an event %s", fq_event_type_name((enum fq_event_type)type));
}

// ---- formats to come ----

static void refuse(sim_disk *sim, const char *file, const char *format) {
    struct golden_journal golden;
    struct fq_replica replica;
    fq_buf text = {0};
    char error[FQ_STORAGE_ERROR_MAX] = "", verified[FQ_STORAGE_ERROR_MAX] = "";
    assert_int_equal(fq_replica_init(&replica), 0);
    assert_int_equal(golden_dump(sim, &text, &replica, verified), FQ_EVERSION);
    assert_int_equal(golden_journal_open(&golden, sim, NULL, error), FQ_EVERSION);
    assert_non_null(strstr(error, file));
    assert_non_null(strstr(error, format));
    assert_non_null(strstr(error, "start that version or newer"));
    assert_string_equal(error, verified);
    fq_buf_done(&text);
    fq_replica_done(&replica);
    sim_disk_free(sim);
}

static void test_newer_major(void **state) {
    (void)state;
    refuse(load("newer_major"), "MANIFEST", "(format 2.0; this one reads format 1.0)");
}

static void test_unknown_feature(void **state) {
    (void)state;
    refuse(load("unknown_feature"), "MANIFEST", "(format 1.0 with features 0x20;");
}

// A newer program may leave the MANIFEST as it is and change only the files that it writes from then on.
static void change_file(sim_disk *sim, const char *path, uint32_t len, uint32_t features_at,
                        uint32_t crc_at) {
    unsigned char bytes[FQ_SEGMENT_HEADER];
    sim_disk_peek(sim, path, 0, bytes, len);
    fq_put_u64(bytes + features_at, 1u << 7);
    fq_put_u32(bytes + crc_at, fq_crc32c(0, bytes, crc_at));
    sim_disk_poke(sim, path, 0, bytes, len);
}

struct newest {
    const char *folder;
    char path[64];
};

static void note_newest(void *context, const char *path) {
    struct newest *newest = context;
    if (strncmp(path, newest->folder, strlen(newest->folder)) == 0 && strcmp(path, newest->path) > 0)
        snprintf(newest->path, sizeof newest->path, "%s", path);
}

static void test_unknown_feature_of_a_segment(void **state) {
    (void)state;
    sim_disk *sim = load("complete");
    struct newest newest = {.folder = "seg/"};
    sim_disk_each(sim, note_newest, &newest);
    change_file(sim, newest.path, FQ_SEGMENT_HEADER, 24, 120);
    refuse(sim, newest.path, "(format 1.0 with features 0x80;");
}

static void test_unknown_feature_of_a_snapshot(void **state) {
    (void)state;
    sim_disk *sim = load("complete");
    struct newest newest = {.folder = "snap/"};
    sim_disk_each(sim, note_newest, &newest);
    change_file(sim, newest.path, 64, 8, 40);
    refuse(sim, newest.path, "(format 1.0 with features 0x80;");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_1),
        cmocka_unit_test(test_newer_major),
        cmocka_unit_test(test_unknown_feature),
        cmocka_unit_test(test_unknown_feature_of_a_segment),
        cmocka_unit_test(test_unknown_feature_of_a_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
