// SPDX-License-Identifier: Apache-2.0
// The tools of a data directory at rest: verify, dump, backup, restore, repair. Each call that they make fails once: they
// say why, a repair that was cut off is begun anew, and nothing that was whole before is lost.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/journal_copy.h"
#include "server/journal_dump.h"
#include "server/journal_repair.h"
#include "support/failing_call.h"
#include "support/golden.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- calls that fail ----

WRAP(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new), -1)
WRAP(int, unlinkat, (int at, const char *path, int flags), (at, path, flags), -1)
WRAP(int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode), -1)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL)
WRAP(int, flock, (int fd, int operation), (fd, operation), -1)
WRAP(ssize_t, getrandom, (void *bytes, size_t len, unsigned flags), (bytes, len, flags), -1)
WRAP(ssize_t, pread, (int fd, void *bytes, size_t len, off_t offset), (fd, bytes, len, offset), -1)
WRAP(ssize_t, pwrite, (int fd, const void *bytes, size_t len, off_t offset), (fd, bytes, len, offset), -1)
WRAP(int, fstat, (int fd, struct stat *facts), (fd, facts), -1)
WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, realloc, (void *old, size_t size), (old, size), NULL)
WRAP(void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size), NULL)
WRAP(int, posix_memalign, (void **block, size_t alignment, size_t size), (block, alignment, size), ENOMEM)

// Syncing takes long, and no machine dies here.
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    (void)fd;
    return failing_call_now("fsync") ? -1 : 0;
}
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
    (void)fd;
    return failing_call_now("fdatasync") ? -1 : 0;
}

int __real_openat(int at, const char *path, int flags, mode_t mode);
int __wrap_openat(int at, const char *path, int flags, mode_t mode);
int __wrap_openat(int at, const char *path, int flags, mode_t mode) {
    return failing_call_now("openat") ? -1 : __real_openat(at, path, flags, mode);
}
int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode) {
    return failing_call_now("open") ? -1 : __real_open(path, flags, mode);
}

static const struct {
    const char *name;
    int error;
} calls[] = {
    {"fsync",          EIO   },
    {"fdatasync",      EIO   },
    {"renameat",       EIO   },
    {"unlinkat",       EACCES},
    {"mkdirat",        ENOSPC},
    {"fdopendir",      EMFILE},
    {"flock",          ENOLCK},
    {"getrandom",      EIO   },
    {"pread",          EIO   },
    {"pwrite",         ENOSPC},
    {"fstat",          EIO   },
    {"malloc",         ENOMEM},
    {"calloc",         ENOMEM},
    {"realloc",        ENOMEM},
    {"reallocarray",   ENOMEM},
    {"posix_memalign", ENOMEM},
    {"openat",         EMFILE},
    {"open",           EMFILE},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

// ---- directories ----

static char place[64];

static void path_of(char path[128], const char *name) {
    snprintf(path, 128, "%s/%s", place, name);
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *where) {
    (void)facts, (void)kind, (void)where;
    return remove(path);
}

static void remove_tree(const char *path) {
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int make_place(void **state) {
    (void)state;
    // In memory where there is such a place: nothing here outlives the test.
    snprintf(place, sizeof place, "%s/fq-tools-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(place) != NULL ? 0 : -1;
}

static int remove_place(void **state) {
    (void)state;
    remove_tree(place);
    return 0;
}

struct unpacking {
    const sim_disk *sim;
    const char *root;
};

static void unpack_file(void *context, const char *path) {
    const struct unpacking *unpacking = context;
    static char bytes[1 << 20];
    char full[256];
    size_t size = sim_disk_size(unpacking->sim, path);
    assert_true(size <= sizeof bytes);
    sim_disk_peek(unpacking->sim, path, 0, bytes, size);
    snprintf(full, sizeof full, "%s/%s", unpacking->root, path);
    char *slash = strrchr(full, '/');
    *slash = '\0';
    (void)mkdir(full, 0700);
    *slash = '/';
    FILE *file = fopen(full, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

enum damage { WHOLE, LOST_MANIFEST, BROKEN_BATCH };

// A journal that was kept in the tree, as a real directory.
static void unpack(const char *root, const char *golden, enum damage damage) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/golden/1/%s.golden", FQ_SOURCE_DIR, golden);
    sim_disk *sim = golden_load(path);
    assert_non_null(sim);
    if (damage == LOST_MANIFEST)
        sim_disk_remove(sim, "MANIFEST");
    remove_tree(root);
    assert_int_equal(mkdir(root, 0700), 0);
    struct unpacking unpacking = {sim, root};
    sim_disk_each(sim, unpack_file, &unpacking);
    sim_disk_free(sim);
    if (damage != BROKEN_BATCH)
        return;
    // The second batch of the first segment.
    char first[512] = "", name[512];
    snprintf(path, sizeof path, "%s/seg", root);
    DIR *all = __real_fdopendir(__real_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
    for (struct dirent *entry; (entry = readdir(all)) != NULL;) {
        snprintf(name, sizeof name, "%s", entry->d_name);
        if (strstr(name, ".fqj") != NULL && (first[0] == '\0' || strcmp(name, first) < 0))
            memcpy(first, name, sizeof first);
    }
    closedir(all);
    snprintf(path, sizeof path, "%s/seg/%.400s", root, first);
    int fd = __real_open(path, O_RDWR | O_CLOEXEC, 0);
    char block[512];
    off_t at = 4096;
    for (int found = 0; found < 2; at += 512) {
        assert_int_equal(__real_pread(fd, block, sizeof block, at), sizeof block);
        found += memcmp(block, "FQB1", 4) == 0;
    }
    assert_int_equal(__real_pwrite(fd, "damage", 6, at - 512 + 70), 6);
    close(fd);
}

// ---- what is done with them ----

static void on_begin(void *context, const struct fq_dump_event *event) {
    (void)context, (void)event;
}
static void on_member(void *context, const struct fq_event_member *member) {
    (void)context, (void)member;
}
static void on_end(void *context) {
    ++*(uint64_t *)context;
}
static void on_dump_gap(void *context, const struct fq_gap *gap) {
    (void)context, (void)gap;
}

// Each gives its result and, if that is an error, the sentence.
static int verify(const char *path, const char *other, char *error) {
    (void)other;
    struct fq_journal_check check;
    int result = fq_journal_check(path, 0, &check);
    if (result == 0)
        result = check.result;
    memcpy(error, check.error, FQ_STORAGE_ERROR_MAX);
    fq_journal_check_done(&check);
    return result;
}

static int repair(const char *path, const char *other, char *error) {
    (void)other;
    struct fq_journal_repair repair;
    int result = fq_journal_repair_plan(path, &repair);
    if (result == 0 && repair.is_needed)
        result = fq_journal_repair_apply(&repair);
    memcpy(error, repair.error, FQ_STORAGE_ERROR_MAX);
    fq_journal_repair_done(&repair);
    return result;
}

static int back_up(const char *path, const char *other, char *error) {
    struct fq_journal_backup backup;
    int result = fq_journal_backup(path, other, true, &backup);
    memcpy(error, backup.error, FQ_STORAGE_ERROR_MAX);
    fq_journal_backup_done(&backup);
    return result;
}

static int restore(const char *path, const char *other, char *error) {
    struct fq_journal_restore restore;
    int result = fq_journal_restore(path, other, 0, &restore);
    memcpy(error, restore.error, FQ_STORAGE_ERROR_MAX);
    fq_journal_restore_done(&restore);
    return result;
}

static int dump_as(const char *path, bool damaged, char *error) {
    uint64_t events = 0;
    struct fq_journal_dump dump = {.damaged = damaged,
                                   .on_begin = on_begin,
                                   .on_member = on_member,
                                   .on_end = on_end,
                                   .on_gap = on_dump_gap,
                                   .context = &events};
    int result = fq_journal_dump(path, &dump);
    memcpy(error, dump.error, FQ_STORAGE_ERROR_MAX);
    assert_true(result < 0 || events > 0);
    return result;
}

static int dump(const char *path, const char *other, char *error) {
    (void)other;
    return dump_as(path, false, error);
}

static int dump_damaged(const char *path, const char *other, char *error) {
    (void)other;
    return dump_as(path, true, error);
}

// ---- the sweep ----

typedef int tool(const char *path, const char *other, char *error);

// Fails every call of each kind in turn; how many failures there were.
static int sweep(tool *use, const char *golden, enum damage damage) {
    char path[128], other[128], error[FQ_STORAGE_ERROR_MAX];
    int failures = 0;
    path_of(path, "journal");
    path_of(other, "other");
    bool changes = use == repair;
    unpack(path, golden, damage);
    for (size_t kind = 0; kind < CALLS; kind++) {
        for (int skip = 0;; skip++) {
            if (changes && (skip > 0 || kind > 0))
                unpack(path, golden, damage);
            remove_tree(other);
            failing_call_set(calls[kind].name, skip, calls[kind].error);
            error[0] = '\0';
            int result = use(path, other, error);
            int failed = failing_call_count();
            failing_call_set(NULL, 0, 0);
            if (result < 0 && error[0] == '\0')
                fail_msg("%s number %d failed: %d and no word", calls[kind].name, skip, result);
            if (failed == 0) {
                assert_int_equal(result, 0);
                break;
            }
            failures++;
            if (!changes || result == 0)
                continue;
            if (repair(path, other, error) != 0)
                fail_msg("after %s number %d: %s", calls[kind].name, skip, error);
            assert_int_equal(verify(path, other, error), 0);
        }
    }
    return failures;
}

static void reading(void **state) {
    (void)state;
    assert_true(sweep(verify, "compacted", WHOLE) > 50);
    assert_true(sweep(dump, "compacted", WHOLE) > 10);
    assert_true(sweep(dump_damaged, "complete", BROKEN_BATCH) > 10);
    assert_true(sweep(dump_damaged, "compacted", LOST_MANIFEST) > 10);
}

static void copying(void **state) {
    (void)state;
    assert_true(sweep(back_up, "compacted", WHOLE) > 100);
    assert_true(sweep(restore, "compacted", WHOLE) > 100);
}

static void repairing(void **state) {
    (void)state;
    assert_true(sweep(repair, "compacted", LOST_MANIFEST) > 50);
    assert_true(sweep(repair, "complete", BROKEN_BATCH) > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reading, make_place, remove_place),
        cmocka_unit_test_setup_teardown(copying, make_place, remove_place),
        cmocka_unit_test_setup_teardown(repairing, make_place, remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
