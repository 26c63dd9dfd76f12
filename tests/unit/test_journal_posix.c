// SPDX-License-Identifier: Apache-2.0
// The journal on a real directory with its real thread: processes that are killed, a second owner, a compactor beside the
// owner.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/compaction.h"
#include "journal/journal.h"
#include "journal/storage_posix.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct place {
    char path[64];
};

static void remove_tree(const char *path) {
    DIR *entries = opendir(path);
    const struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        char inner[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (unlink(inner) != 0)
            remove_tree(inner);
    }
    if (entries != NULL)
        closedir(entries);
    rmdir(path);
}

static int set_up(void **state) {
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->path, sizeof place->path, "fq-journal-test-XXXXXX");
    if (place == NULL || mkdtemp(place->path) == NULL)
        return -1;
    *state = place;
    return 0;
}

static int tear_down(void **state) {
    struct place *place = *state;
    remove_tree(place->path);
    free(place);
    return 0;
}

// The clock of these tests: real enough for windows and marks.
static struct fq_now now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
    return (struct fq_now){us, us};
}

struct owner {
    int wake_pipe[2];
    fq_journal *journal;
    uint64_t recovered, first_wrong;
    char error[FQ_STORAGE_ERROR_MAX];
};

static void on_wake(void *context) {
    struct owner *owner = context;
    char byte = 1;
    ssize_t put = write(owner->wake_pipe[1], &byte, 1);
    (void)put; // full: then a wake is already waiting
}

// Record n holds n in decimal, repeated so that lengths vary.
static fq_str content(uint64_t n, char text[400]) {
    int len = 0;
    for (uint64_t i = 0; i <= n % 17; i++)
        len += snprintf(text + len, (size_t)(400 - len), "%" PRIu64 ".", n);
    return (fq_str){text, (size_t)len};
}

static int on_record(void *context, fq_str record) {
    struct owner *owner = context;
    char text[400];
    owner->recovered++;
    if (owner->first_wrong == 0 && !fq_str_equal(record, content(owner->recovered, text)))
        owner->first_wrong = owner->recovered;
    return 0;
}

static int open_owner(struct owner *owner, const char *path, enum fq_durability durability) {
    *owner = (struct owner){
        .wake_pipe = {-1, -1}
    };
    assert_int_equal(pipe(owner->wake_pipe), 0);
    struct fq_storage_posix_options options;
    fq_storage_posix_options_init(&options);
    options.segment_bytes = 256 << 10;
    options.first_segment_bytes = 64 << 10;
    options.reserve_bytes = 64 << 10;
    options.low_water_bytes = 1 << 20;
    options.allow_volatile = true; // wherever the tests run
    fq_storage *storage;
    int result = fq_storage_posix_open(path, &options, on_wake, owner, &storage, owner->error);
    if (result != 0) {
        close(owner->wake_pipe[0]);
        close(owner->wake_pipe[1]);
        return result;
    }
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    config.durability = durability;
    config.relaxed_window_us = config.idle_mark_us = 5000;
    assert_int_equal(fq_journal_open(storage, &config, &owner->journal), 0);
    result = fq_journal_recover(owner->journal, on_record, owner);
    if (result == 0)
        result = fq_journal_start(owner->journal, now());
    if (result != 0)
        snprintf(owner->error, sizeof owner->error, "%s", fq_journal_error(owner->journal));
    return result;
}

static void close_owner(struct owner *owner) {
    owner->journal = fq_journal_close(owner->journal);
    close(owner->wake_pipe[0]);
    close(owner->wake_pipe[1]);
}

// One turn: waits for the storage's wake, a millisecond at most.
static void turn(struct owner *owner) {
    struct pollfd ready = {.fd = owner->wake_pipe[0], .events = POLLIN};
    char bytes[64];
    if (poll(&ready, 1, 1) == 1) {
        ssize_t got = read(owner->wake_pipe[0], bytes, sizeof bytes);
        (void)got;
    }
    fq_journal_poll(owner->journal, now());
    fq_journal_commit(owner->journal, now());
}

static void append(struct owner *owner, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        char text[400];
        uint64_t seq;
        fq_str record = content(fq_journal_last_seq(owner->journal) + 1, text);
        assert_int_equal(fq_journal_append(owner->journal, record, &seq), 0);
    }
}

static void settle(struct owner *owner) {
    while (fq_journal_durable_seq(owner->journal) < fq_journal_last_seq(owner->journal)) {
        turn(owner);
        if (fq_journal_failed(owner->journal))
            fail_msg("%s", fq_journal_error(owner->journal));
    }
}

static void records_survive_a_restart(void **state) {
    const char *path = ((struct place *)*state)->path;
    for (int mode = FQ_DURABILITY_SYNC; mode <= FQ_DURABILITY_RELAXED; mode++)
        for (int boot = 0; boot < 4; boot++) {
            struct owner owner;
            assert_int_equal(open_owner(&owner, path, (enum fq_durability)mode), 0);
            assert_int_equal(owner.recovered, (uint64_t)(4 * mode + boot) * 1500);
            assert_int_equal(owner.first_wrong, 0);
            for (int i = 0; i < 15; i++) {
                append(&owner, 100);
                turn(&owner);
            }
            settle(&owner);
            close_owner(&owner);
        }
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
}

// The child reports what is durable, as an acknowledgement would; the parent kills it at a random moment.
static void killed_processes_lose_nothing(void **state) {
    const char *path = ((struct place *)*state)->path;
    uint64_t reported = 0;
    for (unsigned round = 0; round < 25; round++) {
        int acks[2];
        assert_int_equal(pipe(acks), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct owner owner;
            close(acks[0]);
            if (open_owner(&owner, path, round % 2 == 0 ? FQ_DURABILITY_SYNC : FQ_DURABILITY_RELAXED) != 0)
                _exit(3);
            if (owner.first_wrong != 0 || owner.recovered < reported)
                _exit(4);
            for (uint64_t last = 0;;) {
                if (fq_journal_backlog_bytes(owner.journal) < 100000)
                    append(&owner, 20);
                turn(&owner);
                uint64_t durable = fq_journal_durable_seq(owner.journal);
                if (durable != last && write(acks[1], &durable, sizeof durable) != sizeof durable)
                    _exit(5);
                last = durable;
            }
        }
        close(acks[1]);
        uint64_t durable, reports = 0;
        while (reports < 5 + round * 3 % 40 && read(acks[0], &durable, sizeof durable) == sizeof durable) {
            reported = durable;
            reports++;
        }
        kill(child, SIGKILL);
        while (read(acks[0], &durable, sizeof durable) == sizeof durable)
            reported = durable;
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status)); // it never ended by itself
        close(acks[0]);
    }
    struct owner owner;
    assert_int_equal(open_owner(&owner, path, FQ_DURABILITY_SYNC), 0);
    assert_int_equal(owner.first_wrong, 0);
    assert_true(owner.recovered >= reported && reported > 1000);
    close_owner(&owner);
}

static void second_owner_is_refused_with_the_pid_of_the_first(void **state) {
    const char *path = ((struct place *)*state)->path;
    struct owner first, second;
    assert_int_equal(open_owner(&first, path, FQ_DURABILITY_SYNC), 0);
    assert_int_equal(open_owner(&second, path, FQ_DURABILITY_SYNC), FQ_ELOCKED);
    char pid[32];
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_non_null(strstr(second.error, pid));
    assert_non_null(strstr(second.error, path));
    close_owner(&first);
    assert_int_equal(open_owner(&second, path, FQ_DURABILITY_SYNC), 0);
    close_owner(&second);
}

static void on_ready(void *context, int result, uint64_t batch_seq) {
    assert_int_equal(result, 0);
    *(uint64_t *)context = batch_seq;
}

static int add_to_snapshot(void *context, fq_str record) {
    fq_buf *kept = context;
    char len = (char)(record.len / 2);
    assert_int_equal(fq_buf_append_byte(kept, len), 0);
    assert_int_equal(fq_buf_append_byte(kept, (char)(record.len - record.len / 2)), 0);
    return fq_buf_append_str(kept, record);
}

// As `fastqueue journal compact` will: another process, while the owner writes on.
static int compact(const char *path, uint64_t until) {
    fq_compaction *compaction;
    char error[FQ_STORAGE_ERROR_MAX];
    if (fq_compaction_open(path, until, &compaction, error) != 0)
        return 1;
    fq_buf kept = {0};
    int result = fq_compaction_read(compaction, add_to_snapshot, &kept);
    for (fq_str rest = fq_buf_str(&kept); result == 0 && rest.len > 0;) {
        size_t len = (size_t)(unsigned char)rest.ptr[0] + (unsigned char)rest.ptr[1];
        result = fq_compaction_add(compaction, (fq_str){rest.ptr + 2, len});
        rest = (fq_str){rest.ptr + 2 + len, rest.len - 2 - len};
    }
    if (result == 0)
        result = fq_compaction_finish(compaction, 42);
    fq_buf_done(&kept);
    fq_compaction_close(compaction);
    return result == 0 ? 0 : 2;
}

static void compaction_in_another_process(void **state) {
    const char *path = ((struct place *)*state)->path;
    struct owner owner;
    assert_int_equal(open_owner(&owner, path, FQ_DURABILITY_SYNC), 0);
    for (uint64_t round = 1; round <= 3; round++) {
        append(&owner, 2000);
        uint64_t sealed = 0;
        fq_journal_compact_begin(owner.journal, on_ready, &sealed);
        while (sealed == 0)
            turn(&owner);
        pid_t child = fork();
        if (child == 0)
            _exit(compact(path, sealed));
        int status = 0;
        while (waitpid(child, &status, WNOHANG) == 0) {
            append(&owner, 5);
            turn(&owner);
        }
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        fq_journal_compact_end(owner.journal, true, sealed);
        struct fq_journal_stats stats;
        do {
            append(&owner, 5);
            turn(&owner);
            fq_journal_stats(owner.journal, &stats);
        } while (stats.compactions_total < round && !fq_journal_failed(owner.journal));
        assert_int_equal(stats.snapshot_state_hash, 42);
    }
    settle(&owner);
    uint64_t appended = fq_journal_last_seq(owner.journal);
    close_owner(&owner);
    assert_int_equal(open_owner(&owner, path, FQ_DURABILITY_SYNC), 0);
    assert_int_equal(owner.recovered, appended);
    assert_int_equal(owner.first_wrong, 0);
    close_owner(&owner);
}

static void unusable_paths_are_named(void **state) {
    const char *path = ((struct place *)*state)->path;
    char file[128];
    snprintf(file, sizeof file, "%s/a-file", path);
    FILE *made = fopen(file, "we");
    assert_non_null(made);
    fclose(made);
    struct owner owner;
    assert_int_equal(open_owner(&owner, file, FQ_DURABILITY_SYNC), FQ_EIO);
    assert_non_null(strstr(owner.error, file));
    char deep[128];
    snprintf(deep, sizeof deep, "%s/not/yet/there", path);
    assert_int_equal(open_owner(&owner, deep, FQ_DURABILITY_SYNC), 0);
    close_owner(&owner);
    struct stat facts;
    assert_int_equal(stat(deep, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0700);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_survive_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_processes_lose_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(second_owner_is_refused_with_the_pid_of_the_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(compaction_in_another_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unusable_paths_are_named, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
