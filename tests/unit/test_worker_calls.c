// SPDX-License-Identifier: Apache-2.0
// The n-th system call or allocation fails, for every n: runner processes start or say why not, boards and runners open or
// say why not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/version.h"
#include "worker/board.h"
#include "worker/control.h"
#include "worker/process.h"
#include "worker/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS_MAX = 2000 };

// --- the failing calls: --wrap sends those of the program here ------------------------------------------------------------
static struct {
    bool is_armed;
    uint64_t left, failed; // calls that still succeed; how many did not
} calls;

static bool fails(int error) {
    if (!calls.is_armed || calls.left-- > 0)
        return false;
    calls.left = UINT64_MAX; // only the n-th
    calls.failed++;
    errno = error;
    return true;
}

static void arm(uint64_t succeeding) {
    calls = (typeof(calls)){true, succeeding, 0};
}

static bool disarm(void) {
    calls.is_armed = false;
    return calls.failed > 0;
}

#define WRAP(type, name, parameters, arguments, failed, error)                                               \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters {                                                                          \
        return fails(error) ? (failed) : __real_##name arguments;                                            \
    }
WRAP(void *, malloc, (size_t size), (size), NULL, ENOMEM)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL, ENOMEM)
WRAP(void *, realloc, (void *old, size_t size), (old, size), NULL, ENOMEM)
WRAP(char *, strdup, (const char *text), (text), NULL, ENOMEM)
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags), -1, EMFILE)
WRAP(int, dup2, (int from, int to), (from, to), -1, EBADF)
WRAP(int, dup3, (int from, int to, int flags), (from, to, flags), -1, EBADF)
WRAP(int, close_range, (unsigned first, unsigned last, int flags), (first, last, flags), -1, ENOSYS)
WRAP(pid_t, fork, (void), (), -1, EAGAIN)
WRAP(void *, mmap, (void *at, size_t size, int may, int flags, int fd, off_t offset),
     (at, size, may, flags, fd, offset), MAP_FAILED, ENOMEM)
WRAP(int, madvise, (void *at, size_t size, int advice), (at, size, advice), -1, EINVAL)
WRAP(int, epoll_create1, (int flags), (flags), -1, EMFILE)
WRAP(int, epoll_ctl, (int fd, int what, int of, void *event), (fd, what, of, event), -1, ENOSPC)
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags), -1, EMFILE)
WRAP(int, fstat, (int fd, void *file), (fd, file), -1, EIO)
WRAP(int, ftruncate, (int fd, off_t size), (fd, size), -1, ENOSPC)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1, EMFILE)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL, EMFILE)
WRAP(int, socketpair, (int domain, int type, int protocol, int ends[2]), (domain, type, protocol, ends), -1,
     EMFILE)

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return fails(EMFILE) ? -1 : __real_open(path, flags, mode);
}
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    long argument = va_arg(list, long);
    va_end(list);
    return fails(EBADF) ? -1 : __real_fcntl(fd, command, argument);
}

// --- processes ------------------------------------------------------------------------------------------------------------
static void start_each(bool with_output, bool allow_core) {
    const char *argv[] = {"true", NULL};
    int ends[2], started = 0, refused = 0, ended_early = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    // Of the calls until the exec; what is behind it is another program.
    for (uint64_t round = 0; round < (with_output ? 17 : 15); round++) {
        struct fq_process_spec spec = {
            .argv = argv, .board_fd = ends[0], .control_fd = ends[1], .allow_core = allow_core};
        for (int i = 0; i < 2; i++)
            spec.output_fds[i] = with_output ? ends[1] : -1;
        pid_t pid = -7;
        char error[256] = "";
        arm(round);
        int rc = fq_process_start(&spec, &pid, error, sizeof error);
        (void)disarm();
        if (rc < 0) {
            assert_int_equal(rc, FQ_EIO);
            assert_int_equal(pid, -7);
            assert_non_null(strstr(error, "cannot start true: "));
            refused++;
            continue;
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 127));
        started += WEXITSTATUS(status) == 0;
        ended_early += WEXITSTATUS(status) == 127;
    }
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(refused, 3);                        // memory, the pipe, the fork
    assert_int_equal(ended_early, with_output ? 13 : 9); // its descriptors
    assert_int_equal(started, with_output ? 1 : 3);      // what can be done without
}

static void a_process_starts_or_says_why_not(void **state) {
    (void)state;
    start_each(true, false);
    start_each(false, true);
}

static void what_the_kernel_does_not_tell_is_unknown(void **state) {
    (void)state;
    assert_true(fq_process_resident(getpid()) > 0);
    assert_int_equal(fq_process_resident((pid_t)0x7ffffff0), 0);
    arm(0);
    assert_int_equal(fq_process_resident(getpid()), 0);
    arm(0);
    assert_int_equal(fq_process_oom_kills(), -1);
    (void)disarm();
    fq_process_kill_group(0);                 // of nobody
    fq_process_kill_group((pid_t)0x7ffffff0); // nor here
}

// --- boards ---------------------------------------------------------------------------------------------------------------
// 0, or what went wrong.
static int use_board(void) {
    struct fq_board board = {NULL, -1}, attached;
    struct fq_board_names names;
    fq_str known[] = {FQ_STR("add"), FQ_STR("mul")};
    int rc = fq_board_create(&board);
    if (rc < 0) {
        assert_null(board.base);
        return rc;
    }
    int fd = __real_fcntl(board.fd, F_DUPFD_CLOEXEC, 3);
    rc = fq_board_attach(fd, &attached);
    if (rc < 0) {
        close(fd);
    } else {
        rc = fq_board_write_names(&board, known, 2);
        if (rc == 0)
            rc = fq_board_read_names(&attached, &names);
        if (rc == 0) {
            assert_int_equal(names.count, 2);
            assert_true(fq_str_equal(names.names[1], known[1]));
            fq_board_names_done(&names);
        }
        fq_board_close(&attached);
    }
    fq_board_close(&board);
    fq_board_close(&board); // is closed already
    return rc;
}

static void a_board_opens_or_says_why_not(void **state) {
    (void)state;
    uint64_t round = 0;
    for (; round < ROUNDS_MAX; round++) {
        arm(round);
        int rc = use_board();
        if (!disarm()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_true(rc == FQ_EIO || rc == FQ_ENOMEM);
    }
    assert_true(round >= 7);
}

// --- runners --------------------------------------------------------------------------------------------------------------
struct world {
    struct fq_board board;
    int control;
    int given[2]; // the runner's board and control socket: its own once it has taken them
};

static void make_world(struct world *world, const char *version, bool with_telemetry, int parent) {
    char descriptors[64], none[] = "", worker[] = "w", address[] = "unix:///nonexistent/socket", given[32];
    snprintf(given, sizeof given, "%s", version);
    struct fq_runner_setup setup = {.version = given,
                                    .address = address,
                                    .user = none,
                                    .token = none,
                                    .tls_ca = none,
                                    .tls_cert = none,
                                    .tls_key = none,
                                    .worker_id = worker,
                                    .instance = none,
                                    .async_concurrency = 10,
                                    .telemetry = with_telemetry};
    int ends[2];
    size_t len;
    assert_int_equal(fq_board_create(&world->board), 0);
    assert_int_equal(fq_control_pair(ends), 0);
    char *packet = fq_runner_setup_encode(&setup, &len);
    assert_int_equal(fq_control_send(ends[0], FQ_CONTROL_SETUP, packet, len), 0);
    free(packet);
    world->control = ends[0];
    world->given[0] = fcntl(world->board.fd, F_DUPFD_CLOEXEC, 3);
    world->given[1] = ends[1];
    snprintf(descriptors, sizeof descriptors, "%d,%d,%d", world->given[0], ends[1], parent);
    setenv("FASTQUEUE_RUNNER_FDS", descriptors, 1);
}

static void end_world(struct world *world) {
    close(world->control);
    fq_board_close(&world->board);
    (void)close(
        world->given
            [0]); // a runner that is refused before it takes them leaves them to the end of its process
    (void)close(world->given[1]);
    unsetenv("FASTQUEUE_RUNNER_FDS");
}

static void open_each(bool with_telemetry) {
    uint64_t round = 0;
    for (; round < ROUNDS_MAX; round++) {
        struct world world;
        make_world(&world, FQ_VERSION, with_telemetry, (int)getppid());
        fq_runner *runner = NULL;
        fq_str names[] = {FQ_STR("add"), FQ_STR("mul")};
        char error[512] = "";
        arm(round);
        int rc = fq_runner_open(&runner, error, sizeof error);
        int declared = rc == 0 ? fq_runner_declare(runner, names, 2) : 0;
        if (rc == 0)
            assert_int_equal(fq_runner_poll(runner, 1), 0); // nobody is there to connect to: it tries on
        bool failed = disarm();
        if (rc < 0) {
            assert_null(runner);
            assert_true(error[0] != '\0');
        } else {
            assert_true(declared == 0 || (declared == FQ_ENOMEM && fq_runner_error(runner) != NULL));
            fq_runner_close(runner);
        }
        end_world(&world);
        if (!failed) {
            assert_true(rc == 0 && declared == 0);
            break;
        }
    }
    assert_true(round >= 12 && round < ROUNDS_MAX);
}

static void a_runner_opens_or_says_why_not(void **state) {
    (void)state;
    open_each(false);
}

static void a_runner_with_telemetry_does_too(void **state) {
    (void)state;
    setenv("OTEL_TRACES_EXPORTER", "none", 1);
    setenv("OTEL_METRICS_EXPORTER", "none", 1);
    open_each(true);
}

static void refuse(int expected, const char *sentence) {
    fq_runner *runner = NULL;
    char error[512] = "";
    assert_int_equal(fq_runner_open(&runner, error, sizeof error), expected);
    assert_null(runner);
    if (strstr(error, sentence) == NULL)
        fail_msg("'%s' is not in '%s'", sentence, error);
}

static void a_runner_of_nobodys_is_refused(void **state) {
    (void)state;
    unsetenv("FASTQUEUE_RUNNER_FDS");
    refuse(FQ_EINVALID, "FASTQUEUE_RUNNER_FDS is not set");
    const char *const malformed[] = {"", "3", "3,4", "3,4,5,6", "a,b,c", "-1,4,5", "3,-1,5"};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        setenv("FASTQUEUE_RUNNER_FDS", malformed[i], 1);
        refuse(FQ_EINVALID, "FASTQUEUE_RUNNER_FDS is malformed");
    }
    struct world world;
    make_world(&world, FQ_VERSION, false, 1 << 30);
    refuse(FQ_EDISCONNECTED, "the supervisor is gone");
    end_world(&world);
    make_world(&world, "0.0.0-other", false, (int)getppid());
    refuse(FQ_EVERSION, "0.0.0-other");
    end_world(&world);
}

static void what_is_no_setup_or_no_board_is_refused(void **state) {
    (void)state;
    struct fq_board board;
    assert_int_equal(fq_board_create(&board), 0);
    for (int kind = 0; kind < 4; kind++) {
        int ends[2];
        char descriptors[64];
        assert_int_equal(fq_control_pair(ends), 0);
        if (kind == 0)
            assert_int_equal(fq_control_send(ends[0], FQ_CONTROL_WAKE, NULL, 0), 0);
        else if (kind == 1)
            assert_int_equal(fq_control_send(ends[0], FQ_CONTROL_SETUP, "no setup", 8), 0);
        else
            shutdown(ends[0], SHUT_RDWR);
        int given = fcntl(kind < 3 ? board.fd : ends[0], F_DUPFD_CLOEXEC, 3);
        snprintf(descriptors, sizeof descriptors, "%d,%d,%d", given, ends[1], (int)getppid());
        setenv("FASTQUEUE_RUNNER_FDS", descriptors, 1);
        if (kind < 3)
            refuse(FQ_EPROTOCOL, "the supervisor sent no setup");
        else
            refuse(FQ_EVERSION, "memory board: ");
        close(ends[0]);
        (void)close(given); // as above
        (void)close(ends[1]);
    }
    fq_board_set(&board, FQ_BOARD_MAGIC, 1); // a board no more
    struct fq_board attached;
    assert_int_equal(fq_board_attach(board.fd, &attached), FQ_EVERSION);
    assert_int_equal(fq_board_attach(-1, &attached), FQ_EIO);
    unsetenv("FASTQUEUE_RUNNER_FDS");
    fq_board_close(&board);
}

static void a_runner_answers_small_questions(void **state) {
    (void)state;
    struct world world;
    fq_runner *runner = NULL;
    char error[512] = "";
    make_world(&world, FQ_VERSION, false, (int)getppid());
    assert_int_equal(fq_runner_open(&runner, error, sizeof error), 0);
    assert_int_equal(fq_runner_config(runner).async_concurrency, 10);
    assert_false(fq_runner_should_exit(runner));
    assert_true(fq_runner_error(runner) != NULL);
    // What a runner says of a module that does not load: the end of it, if it is long.
    enum { LONG = 200000 };
    char *message = malloc(LONG + 1), *packet = malloc(FQ_CONTROL_MAX + 1), type = 0;
    memset(message, 'x', LONG);
    memcpy(message + LONG - 4, "last", 5);
    fq_runner_declare_failed(runner, message);
    size_t len = 0;
    assert_int_equal(fq_control_receive(world.control, &type, packet, &len), 1);
    assert_int_equal(type, FQ_CONTROL_FAILED);
    assert_int_equal(len, FQ_CONTROL_MAX / 2);
    assert_memory_equal(packet + len - 4, "last", 4);
    free(message);
    free(packet);
    fq_runner_close(runner);
    assert_null(fq_runner_close(NULL));
    end_world(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_starts_or_says_why_not),
        cmocka_unit_test(what_the_kernel_does_not_tell_is_unknown),
        cmocka_unit_test(a_board_opens_or_says_why_not),
        cmocka_unit_test(a_runner_of_nobodys_is_refused),
        cmocka_unit_test(what_is_no_setup_or_no_board_is_refused),
        cmocka_unit_test(a_runner_answers_small_questions),
        cmocka_unit_test(a_runner_opens_or_says_why_not),
        cmocka_unit_test(a_runner_with_telemetry_does_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
