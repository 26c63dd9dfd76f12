// SPDX-License-Identifier: Apache-2.0
// The real disk: what each of its calls says when the system call beneath fails, is interrupted or does half of it, and
// what it tells of file systems and owners. The linker leads its system calls through this file (tests/CMakeLists.txt).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

enum call {
    NO_CALL,
    OPEN,
    OPENAT,
    CLOSE,
    FSTAT,
    PREAD,
    PWRITE,
    FSYNC,
    FDATASYNC,
    RENAMEAT,
    FDOPENDIR,
    FSTATFS,
    FLOCK,
    FTRUNCATE,
    RANDOM,
    MKDIR,
    ALIGNED,
};

static struct {
    enum call call;
    int skip, times, error; // after `skip` of them, `times` fail; 0: that many do nothing and say so
    long fs_type;           // of every directory, if not 0
    const char *block_text; // what the kernel says of the device's blocks, if not NULL
    int kill_error, naps;   // of the lock's owner; pauses made so far
    int release_after;      // pauses after which `held` is closed
    fq_disk *held;
} plan;

static void fail_next(enum call call, int skip, int times, int error) {
    plan.call = call, plan.skip = skip, plan.times = times, plan.error = error;
}

static bool trips(enum call call) {
    if (plan.call != call || plan.times == 0 || plan.skip-- > 0)
        return false;
    plan.skip = 0;
    plan.times--;
    errno = plan.error;
    return true;
}

// What a call that is led astray returns.
#define ASTRAY (plan.error == 0 ? 0 : -1)
#define WRAP(type, name, call, parameters, ...)                                                              \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters {                                                                          \
        return trips(call) ? (type)ASTRAY : __real_##name(__VA_ARGS__);                                      \
    }

WRAP(int, open, OPEN, (const char *path, int flags, mode_t mode), path, flags, mode)
WRAP(int, openat, OPENAT, (int at, const char *path, int flags, mode_t mode), at, path, flags, mode)
WRAP(int, close, CLOSE, (int fd), fd)
WRAP(int, fstat, FSTAT, (int fd, struct stat *facts), fd, facts)
WRAP(ssize_t, pread, PREAD, (int fd, void *bytes, size_t len, off_t at), fd, bytes, len, at)
WRAP(ssize_t, pwrite, PWRITE, (int fd, const void *bytes, size_t len, off_t at), fd, bytes, len, at)
WRAP(int, fsync, FSYNC, (int fd), fd)
WRAP(int, fdatasync, FDATASYNC, (int fd), fd)
WRAP(int, renameat, RENAMEAT, (int at, const char *from, int to_at, const char *to), at, from, to_at, to)
WRAP(int, flock, FLOCK, (int fd, int what), fd, what)
WRAP(int, ftruncate, FTRUNCATE, (int fd, off_t len), fd, len)
WRAP(ssize_t, getrandom, RANDOM, (void *bytes, size_t len, unsigned flags), bytes, len, flags)
WRAP(int, mkdir, MKDIR, (const char *path, mode_t mode), path, mode)

int __real_posix_memalign(void **ret_memory, size_t alignment, size_t size);
int __wrap_posix_memalign(void **ret_memory, size_t alignment, size_t size);
int __wrap_posix_memalign(void **ret_memory, size_t alignment, size_t size) {
    return trips(ALIGNED) ? ENOMEM : __real_posix_memalign(ret_memory, alignment, size);
}

DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd) {
    return trips(FDOPENDIR) ? NULL : __real_fdopendir(fd);
}

int __real_fstatfs(int fd, struct statfs *facts);
int __wrap_fstatfs(int fd, struct statfs *facts);
int __wrap_fstatfs(int fd, struct statfs *facts) {
    int result = trips(FSTATFS) ? -1 : __real_fstatfs(fd, facts);
    if (result == 0 && plan.fs_type != 0)
        facts->f_type = plan.fs_type;
    return result;
}

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode) {
    if (plan.block_text == NULL || strncmp(path, "/sys/dev/block/", 15) != 0)
        return __real_fopen(path, mode);
    return plan.block_text[0] == '\0'
               ? NULL
               : fmemopen((void *)(uintptr_t)plan.block_text, strlen(plan.block_text), "r");
}

int __real_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number) {
    if (plan.kill_error == 0)
        return __real_kill(pid, number);
    errno = plan.kill_error;
    return -1;
}

int __wrap_nanosleep(const struct timespec *pause, struct timespec *left);
int __wrap_nanosleep(const struct timespec *pause, struct timespec *left) {
    (void)pause, (void)left;
    if (++plan.naps == plan.release_after)
        plan.held = plan.held->ops->close_disk(plan.held);
    return 0;
}

struct place {
    char path[64];
    fq_disk *disk;
};

static int enter(void **state) {
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->path, sizeof place->path, "/tmp/fq-disk-XXXXXX");
    memset(&plan, 0, sizeof plan);
    *state = place;
    return mkdtemp(place->path) != NULL && fq_disk_posix_open(place->path, &place->disk) == 0 ? 0 : -1;
}

static int leave(void **state) {
    struct place *place = *state;
    memset(&plan, 0, sizeof plan);
    place->disk->ops->close_disk(place->disk);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", place->path);
    int result = system(command); // NOLINT: a path of this test's own
    free(place);
    return result;
}

static int make_file(fq_disk *disk, const char *path, const void *bytes, size_t len) {
    int handle = disk->ops->open(disk, path, FQ_DISK_CREATE);
    assert_true(handle >= 0);
    assert_int_equal(disk->ops->write(disk, handle, bytes, len, 0), (int)len);
    return handle;
}

// ---- files ----

static void test_each_failing_call_is_told(void **state) {
    fq_disk *disk = ((struct place *)*state)->disk;
    char byte = 'x';
    int handle = make_file(disk, "file", &byte, 1);
    fail_next(OPENAT, 0, 1, EMFILE);
    assert_int_equal(disk->ops->open(disk, "file", FQ_DISK_READ), -EMFILE);
    assert_int_equal(disk->ops->open(disk, "file", FQ_DISK_CREATE), -EEXIST);
    assert_int_equal(disk->ops->open(disk, "none", FQ_DISK_WRITE), -ENOENT);
    fail_next(FSTAT, 0, 1, EIO);
    assert_int_equal(disk->ops->size(disk, handle), -EIO);
    fail_next(FDATASYNC, 0, 1, EIO);
    assert_int_equal(disk->ops->sync(disk, handle), -EIO);
    assert_int_equal(disk->ops->sync_directory(disk, "none"), -ENOENT);
    fail_next(FSYNC, 0, 1, EIO);
    assert_int_equal(disk->ops->sync_directory(disk, "."), -EIO);
    fail_next(RENAMEAT, 0, 1, EROFS);
    assert_int_equal(disk->ops->rename(disk, "file", "other"), -EROFS);
    assert_int_equal(disk->ops->remove(disk, "none"), -ENOENT);
    assert_int_equal(disk->ops->make_directory(disk, "file"), -EEXIST);
    fail_next(RANDOM, 0, 1, 0);
    char bytes[16];
    assert_int_equal(disk->ops->random(disk, bytes, sizeof bytes), -EIO);
    fail_next(CLOSE, 0, 1, EIO);
    assert_int_equal(disk->ops->close(disk, handle), -EIO);
    assert_int_equal(disk->ops->close(disk, handle), 0);
}

static void test_interrupted_calls_go_on(void **state) {
    fq_disk *disk = ((struct place *)*state)->disk;
    char bytes[8] = "abcdefg", back[8] = "";
    int handle = make_file(disk, "file", bytes, sizeof bytes);
    fail_next(PWRITE, 0, 2, EINTR);
    assert_int_equal(disk->ops->write(disk, handle, bytes, sizeof bytes, 0), sizeof bytes);
    fail_next(PREAD, 0, 2, EINTR);
    assert_int_equal(disk->ops->read(disk, handle, back, sizeof back, 0), sizeof back);
    assert_memory_equal(bytes, back, sizeof back);
    disk->ops->close(disk, handle);
}

static void test_failing_reads_and_writes(void **state) {
    fq_disk *disk = ((struct place *)*state)->disk;
    char bytes[8] = "abcdefg";
    int handle = make_file(disk, "file", bytes, sizeof bytes);
    fail_next(PWRITE, 0, 1, ENOSPC);
    assert_int_equal(disk->ops->write(disk, handle, bytes, sizeof bytes, 0), -ENOSPC);
    fail_next(PWRITE, 0, 1, 0); // a write that writes nothing and says so
    assert_int_equal(disk->ops->write(disk, handle, bytes, sizeof bytes, 0), 0);
    fail_next(PREAD, 0, 1, EIO);
    assert_int_equal(disk->ops->read(disk, handle, bytes, sizeof bytes, 0), -EIO);
    assert_int_equal(disk->ops->read(disk, handle, bytes, sizeof bytes, 4), 4);
    disk->ops->close(disk, handle);
}

static void test_zeros_past_the_cache_or_second_best(void **state) {
    enum { PAGE = 4096, PAGES = 40 };
    fq_disk *disk = ((struct place *)*state)->disk;
    static char bytes[PAGES * PAGE];
    memset(bytes, 'q', sizeof bytes);
    int handle = make_file(disk, "file", bytes, sizeof bytes);
    bool is_direct = fcntl(handle, F_SETFL, O_RDWR | O_DIRECT) == 0;
    assert_int_equal(fcntl(handle, F_SETFL, O_RDWR), 0);
    // The second time the file system accepts O_DIRECT and then refuses to write, if it knows O_DIRECT at all.
    for (int i = 0; i < (is_direct ? 2 : 1); i++) {
        assert_int_equal(disk->ops->write(disk, handle, bytes, 1, PAGE), 1);
        fail_next(i == 0 ? NO_CALL : PWRITE, 0, 1, EINVAL);
        assert_int_equal(disk->ops->write_zeros(disk, handle, PAGES / 2 * PAGE, PAGE), PAGES / 2 * PAGE);
        static char back[PAGES * PAGE], blank[PAGES / 2 * PAGE];
        assert_int_equal(disk->ops->read(disk, handle, back, sizeof back, 0), sizeof back);
        assert_memory_equal(back, bytes, PAGE);
        assert_memory_equal(back + PAGE, blank, sizeof blank);
        assert_memory_equal(back + PAGE + sizeof blank, bytes, (PAGES - 1) * PAGE - sizeof blank);
    }
    fail_next(PWRITE, 0, 1, ENOSPC);
    assert_int_equal(disk->ops->write_zeros(disk, handle, PAGE, 0), -ENOSPC);
    assert_int_equal(fcntl(handle, F_GETFL) & O_DIRECT, 0); // other writes need no alignment
    disk->ops->close(disk, handle);
}

static void test_batches_past_the_cache_or_second_best(void **state) {
    enum { PAGE = 4096, PAGES = 160, AT = 7 }; // in several pieces
    fq_disk *disk = ((struct place *)*state)->disk;
    static char old[(PAGES + AT) * PAGE], bytes[PAGES * PAGE], back[sizeof old];
    memset(old, 'q', sizeof old);
    int handle = make_file(disk, "file", old, sizeof old);
    bool is_direct = fcntl(handle, F_SETFL, O_RDWR | O_DIRECT) == 0;
    assert_int_equal(fcntl(handle, F_SETFL, O_RDWR), 0);
    static const struct {
        enum call call;
        int nth, error;
    } ways[] = {
        {NO_CALL, 0, 0     },
        {PWRITE,  0, EINVAL},
        {PWRITE,  2, EINVAL},
        {PWRITE,  1, EINTR }
    };
    for (size_t i = 0; i < (is_direct ? sizeof ways / sizeof ways[0] : 1); i++) {
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (char)(k / 11 + i);
        assert_int_equal(disk->ops->write(disk, handle, old, 1, PAGE), 1); // some of it is cached
        fail_next(ways[i].call, ways[i].nth, 1, ways[i].error);
        assert_int_equal(disk->ops->write_around_cache(disk, handle, bytes, sizeof bytes, AT * PAGE),
                         sizeof bytes);
        assert_int_equal(disk->ops->read(disk, handle, back, sizeof back, 0), sizeof back);
        assert_memory_equal(back, old, AT * PAGE);
        assert_memory_equal(back + AT * PAGE, bytes, sizeof bytes);
    }
    fail_next(PWRITE, 1, 1, ENOSPC);
    assert_int_equal(disk->ops->write_around_cache(disk, handle, bytes, sizeof bytes, 0), -ENOSPC);
    assert_int_equal(fcntl(handle, F_GETFL) & O_DIRECT, 0); // other writes need no alignment
    disk->ops->close(disk, handle);
}

static void test_around_the_cache_or_second_best(void **state) {
    fq_disk *disk = ((struct place *)*state)->disk;
    char *bytes;
    assert_int_equal(posix_memalign((void **)&bytes, 4096, 4096), 0);
    memset(bytes, 'q', 4096);
    disk->ops->close(disk, make_file(disk, "file", bytes, 4096));
    // Refused at once, refused at the first read, no memory to try it with: the cached way gives the same bytes.
    static const struct {
        enum call call;
        int error;
    } ways[] = {
        {NO_CALL, 0     },
        {OPENAT,  EINVAL},
        {PREAD,   EINVAL},
        {ALIGNED, ENOMEM}
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        fail_next(ways[i].call, 0, 1, ways[i].error);
        int handle = disk->ops->open(disk, "file", FQ_DISK_READ_AROUND_CACHE);
        assert_true(handle >= 0);
        memset(bytes, 0, 4096);
        assert_int_equal(disk->ops->read(disk, handle, bytes, 4096, 0), 4096);
        assert_int_equal(bytes[4095], 'q');
        disk->ops->close(disk, handle);
    }
    fail_next(OPENAT, 0, 1, EMFILE);
    assert_int_equal(disk->ops->open(disk, "file", FQ_DISK_READ_AROUND_CACHE), -EMFILE);
    fail_next(OPENAT, 0, 2, EINVAL);
    assert_int_equal(disk->ops->open(disk, "file", FQ_DISK_READ_AROUND_CACHE), -EINVAL);
    free(bytes);
}

static void count_name(void *context, const char *name) {
    (void)name;
    ++*(int *)context;
}

static void test_lists(void **state) {
    fq_disk *disk = ((struct place *)*state)->disk;
    int count = 0;
    disk->ops->close(disk, make_file(disk, "file", "x", 1));
    assert_int_equal(disk->ops->list(disk, "none", count_name, &count), -ENOENT);
    fail_next(FDOPENDIR, 0, 1, ENOMEM);
    assert_int_equal(disk->ops->list(disk, ".", count_name, &count), -ENOMEM);
    assert_int_equal(count, 0);
    assert_int_equal(disk->ops->list(disk, ".", count_name, &count), 0);
    assert_int_equal(count, 1);
}

static void test_a_leftover_in_a_directory_of_too_long_a_name(void **state) {
    fq_disk *disk = ((struct place *)*state)->disk;
    char path[300];
    memset(path, 'd', sizeof path);
    memcpy(path + sizeof path - 3, "/f", 3);
    assert_int_equal(fq_disk_clear(disk, path), -ENAMETOOLONG);
    assert_int_equal(fq_disk_clear(disk, "none"), 0);
}

static void test_second_names(void **state) {
    fq_disk *disk = ((struct place *)*state)->disk;
    disk->ops->close(disk, make_file(disk, "file", "x", 1));
    assert_int_equal(fq_disk_posix_link(disk, "file", disk, "second"), 0);
    assert_int_equal(fq_disk_posix_link(disk, "file", disk, "second"), -EEXIST);
}

// ---- the directory ----

static void test_paths_that_cannot_be_made(void **state) {
    struct place *place = *state;
    fq_disk *disk;
    char path[PATH_MAX + 8];
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(fq_disk_posix_open(path, &disk), -ENAMETOOLONG);
    assert_int_equal(fq_disk_posix_open("", &disk), -ENAMETOOLONG);
    snprintf(path, sizeof path, "%s/new/inner", place->path);
    fail_next(MKDIR, 3, 1, ENOSPC);
    assert_int_equal(fq_disk_posix_open(path, &disk), -ENOSPC);
    fail_next(FSYNC, 0, 1, EIO); // an entry that is not durable is none
    assert_int_equal(fq_disk_posix_open(path, &disk), -EIO);
    fail_next(OPEN, 0, 2,
              EACCES); // a parent that cannot be opened cannot be synced; the directory itself has to open
    assert_int_equal(fq_disk_posix_open(path, &disk), -EACCES);
    // What exists already on a file system that cannot be written is taken as it is.
    fail_next(MKDIR, 0, 9, EROFS);
    assert_int_equal(fq_disk_posix_open(path, &disk), 0);
    disk->ops->close_disk(disk);
    fail_next(MKDIR, 0, 9, EACCES);
    assert_int_equal(fq_disk_posix_open(path, &disk), 0);
    disk->ops->close_disk(disk);
}

static void test_relative_paths_are_made(void **state) {
    struct place *place = *state;
    int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fq_disk *disk;
    assert_int_equal(chdir(place->path), 0);
    assert_int_equal(fq_disk_posix_open("a", &disk), 0);
    disk->ops->close_disk(disk);
    assert_int_equal(access("a", W_OK), 0);
    assert_int_equal(fchdir(before), 0);
    close(before);
}

static void test_kinds_of_file_systems(void **state) {
    fq_disk *disk = ((struct place *)*state)->disk;
    static const struct {
        long type;
        bool is_volatile, is_network, copies;
    } rows[] = {
        {TMPFS_MAGIC,           true,  false, false},
        {0x858458f6,            true,  false, false},
        {NFS_SUPER_MAGIC,       false, true,  false},
        {SMB_SUPER_MAGIC,       false, true,  false},
        {0xff534d42,            false, true,  false},
        {0xfe534d42,            false, true,  false},
        {CEPH_SUPER_MAGIC,      false, true,  false},
        {AFS_SUPER_MAGIC,       false, true,  false},
        {BTRFS_SUPER_MAGIC,     false, false, true },
        {OVERLAYFS_SUPER_MAGIC, false, false, true },
        {0x2fc12fc1,            false, false, true },
        {EXT4_SUPER_MAGIC,      false, false, false}
    };
    struct fq_disk_facts facts;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        plan.fs_type = rows[i].type;
        assert_int_equal(disk->ops->facts(disk, &facts), 0);
        assert_int_equal(facts.is_volatile, rows[i].is_volatile);
        assert_int_equal(facts.is_network, rows[i].is_network);
        assert_int_equal(facts.copies_on_write, rows[i].copies);
        assert_true(facts.total_bytes >= facts.free_bytes);
    }
    fail_next(FSTATFS, 0, 1, EIO);
    assert_int_equal(disk->ops->facts(disk, &facts), -EIO);
}

static uint32_t block_size_of(const char *path) {
    fq_disk *disk;
    struct fq_disk_facts facts;
    assert_int_equal(fq_disk_posix_open(path, &disk), 0);
    assert_int_equal(disk->ops->facts(disk, &facts), 0);
    disk->ops->close_disk(disk);
    return facts.block_size;
}

static void test_blocks_of_the_device(void **state) {
    const char *path = ((struct place *)*state)->path;
    static const struct {
        const char *text;
        uint32_t size;
    } rows[] = {
        {"512\n",  512 },
        {"1024\n", 1024},
        {"4096\n", 4096},
        {"8192\n", 4096},
        {"256\n",  4096},
        {"1000\n", 4096},
        {"none\n", 4096},
        {"",       4096}
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        plan.block_text = rows[i].text;
        assert_int_equal(block_size_of(path), rows[i].size);
    }
    plan.block_text = "512\n";
    fail_next(FSTAT, 0, 1, EIO);
    assert_int_equal(block_size_of(path), 4096);
}

// ---- the owner ----

static fq_disk *second(const struct place *place) {
    fq_disk *disk;
    assert_int_equal(fq_disk_posix_open(place->path, &disk), 0);
    return disk;
}

static void test_one_owner(void **state) {
    struct place *place = *state;
    char owner[64] = "", expected[64];
    snprintf(expected, sizeof expected, "pid %ld", (long)getpid());
    assert_int_equal(fq_disk_posix_owner(place->path, owner, sizeof owner), 0);
    assert_int_equal(place->disk->ops->lock(place->disk, "LOCK", owner, sizeof owner), 0);
    fq_disk *disk = second(place);
    assert_int_equal(disk->ops->lock(disk, "LOCK", owner, sizeof owner), -EWOULDBLOCK);
    assert_string_equal(owner, expected);
    assert_int_equal(plan.naps, 0); // the owner lives: no waiting
    memset(owner, 0, sizeof owner);
    assert_int_equal(fq_disk_posix_owner(place->path, owner, sizeof owner), 1);
    assert_string_equal(owner, expected);
    plan.kill_error = EPERM; // somebody else's process lives as well
    assert_int_equal(disk->ops->lock(disk, "LOCK", owner, sizeof owner), -EWOULDBLOCK);
    assert_int_equal(plan.naps, 0);
    disk->ops->close_disk(disk);
}

static void test_a_dead_owner_is_waited_for(void **state) {
    struct place *place = *state;
    char owner[64] = "";
    fq_disk *disk = second(place);
    plan.held = second(place);
    assert_int_equal(plan.held->ops->lock(plan.held, "LOCK", owner, sizeof owner), 0);
    plan.kill_error = ESRCH;
    plan.release_after = 3;
    assert_int_equal(disk->ops->lock(disk, "LOCK", owner, sizeof owner), 0);
    assert_int_equal(plan.naps, 3);
    // … but not for ever.
    plan.naps = plan.release_after = 0;
    assert_int_equal(place->disk->ops->lock(place->disk, "LOCK", owner, sizeof owner), -EWOULDBLOCK);
    assert_in_range(plan.naps, 100, 1000);
    disk->ops->close_disk(disk);
}

static void test_an_owner_that_cannot_be_read(void **state) {
    struct place *place = *state;
    char owner[64] = "x";
    fq_disk *disk = second(place), *holder = second(place);
    assert_int_equal(holder->ops->lock(holder, "LOCK", owner, sizeof owner), 0);
    plan.kill_error = ESRCH;
    static const char *const texts[] = {"nobody\n", "pid 0\n", "pid -1\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int handle = disk->ops->open(disk, "LOCK", FQ_DISK_WRITE);
        assert_int_equal(disk->ops->write(disk, handle, texts[i], strlen(texts[i]), 0),
                         (int)strlen(texts[i]));
        disk->ops->close(disk, handle);
        assert_int_equal(disk->ops->lock(disk, "LOCK", owner, sizeof owner), -EWOULDBLOCK);
        assert_int_equal(strncmp(owner, texts[i], strcspn(texts[i], "\n")), 0);
    }
    fail_next(PREAD, 0, 1, EIO);
    assert_int_equal(disk->ops->lock(disk, "LOCK", owner, sizeof owner), -EWOULDBLOCK);
    assert_string_equal(owner, "");
    fail_next(PREAD, 0, 1, EIO);
    assert_int_equal(fq_disk_posix_owner(place->path, owner, sizeof owner), 1);
    assert_string_equal(owner, "");
    assert_int_equal(plan.naps, 0);
    holder->ops->close_disk(holder);
    disk->ops->close_disk(disk);
}

static void test_a_lock_that_cannot_be_taken(void **state) {
    struct place *place = *state;
    fq_disk *disk = place->disk;
    char owner[64], path[PATH_MAX + 8];
    fail_next(OPENAT, 0, 1, EROFS);
    assert_int_equal(disk->ops->lock(disk, "LOCK", owner, sizeof owner), -EROFS);
    fail_next(FLOCK, 0, 1, ENOLCK);
    assert_int_equal(disk->ops->lock(disk, "LOCK", owner, sizeof owner), -ENOLCK);
    fail_next(FTRUNCATE, 0, 1, ENOSPC);
    assert_int_equal(disk->ops->lock(disk, "LOCK", owner, sizeof owner), -ENOSPC);
    fail_next(PWRITE, 0, 1, ENOSPC);
    assert_int_equal(disk->ops->lock(disk, "LOCK", owner, sizeof owner), -ENOSPC);
    fail_next(PWRITE, 0, 1, 0); // only a part could be written, without an error
    assert_int_equal(disk->ops->lock(disk, "LOCK", owner, sizeof owner), -ENOSPC);
    // None of these kept it.
    assert_int_equal(fq_disk_posix_owner(place->path, owner, sizeof owner), 0);
    fail_next(FLOCK, 0, 1, ENOLCK);
    assert_int_equal(fq_disk_posix_owner(place->path, owner, sizeof owner), -ENOLCK);
    fail_next(OPEN, 0, 1, EACCES);
    assert_int_equal(fq_disk_posix_owner(place->path, owner, sizeof owner), -EACCES);
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(fq_disk_posix_owner(path, owner, sizeof owner), -ENAMETOOLONG);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(test_each_failing_call_is_told),
        TEST(test_interrupted_calls_go_on),
        TEST(test_failing_reads_and_writes),
        TEST(test_around_the_cache_or_second_best),
        TEST(test_zeros_past_the_cache_or_second_best),
        TEST(test_batches_past_the_cache_or_second_best),
        TEST(test_lists),
        TEST(test_a_leftover_in_a_directory_of_too_long_a_name),
        TEST(test_second_names),
        TEST(test_paths_that_cannot_be_made),
        TEST(test_relative_paths_are_made),
        TEST(test_kinds_of_file_systems),
        TEST(test_blocks_of_the_device),
        TEST(test_one_owner),
        TEST(test_a_dead_owner_is_waited_for),
        TEST(test_an_owner_that_cannot_be_read),
        TEST(test_a_lock_that_cannot_be_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
