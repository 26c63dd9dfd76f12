// SPDX-License-Identifier: Apache-2.0
// Every call to kernel and libuv that listening, accepting and starting children makes fails once: what is told, what is
// closed, and that nothing is left behind. The linker leads the calls through the ones below.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/child.h"
#include "net/listen_socket.h"
#include "net/listener.h"
#include "net/notify.h"
#include "net/process_use.h"
#include "support/certificates.h"
#include "support/failing_call.h"
#include "support/failing_loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- calls that fail ----

WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), -1)
WRAP(int, bind, (int fd, const struct sockaddr *where, socklen_t size), (fd, where, size), -1)
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode), -1)
WRAP(int, getsockname, (int fd, struct sockaddr *where, socklen_t *size), (fd, where, size), -1)
WRAP(int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags), (fd, from, size, flags), -1)
WRAP(DIR *, opendir, (const char *path), (path), NULL)
WRAP(int, getrlimit, (int what, struct rlimit *limit), (what, limit), -1)
WRAP(int, setrlimit, (int what, const struct rlimit *limit), (what, limit), -1)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(int, posix_spawn,
     (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,
      const posix_spawnattr_t *facts, char *const args[], char *const environment[]),
     (pid, path, actions, facts, args, environment), ENOMEM)
WRAP(int, uv_poll_init, (uv_loop_t * loop, uv_poll_t *poll, int fd), (loop, poll, fd), UV_EEXIST)
WRAP(int, uv_signal_init, (uv_loop_t * loop, uv_signal_t *handle), (loop, handle), UV_EMFILE)
WRAP(int, uv_signal_start, (uv_signal_t * handle, uv_signal_cb call, int number), (handle, call, number),
     UV_EINVAL)
WRAP(int, uv_getrusage, (uv_rusage_t * usage), (usage), UV_EINVAL)
WRAP(int, uv_resident_set_memory, (size_t * bytes), (bytes), UV_EINVAL)

static bool has_second_address; // every name stands for 127.0.0.2 as well

int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **ret_found);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **ret_found);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **ret_found) {
    int status = __real_getaddrinfo(host, port, hints, ret_found);
    if (status == 0 && has_second_address)
        status = __real_getaddrinfo("127.0.0.2", port, hints, &(*ret_found)->ai_next);
    return status;
}

// ---- addresses ----

static struct fq_address unix_address(void) {
    struct fq_address address = {.kind = FQ_ADDRESS_UNIX};
    snprintf(address.path, sizeof address.path, "%s/door", failing_loop()->directory);
    return address;
}

static struct fq_address tcp_address(const char *host) {
    struct fq_address address = {.kind = FQ_ADDRESS_TCP};
    snprintf(address.host, sizeof address.host, "%s", host);
    return address;
}

// ---- sockets that listen ----

static void listening_that_fails_is_told(void **state) {
    (void)state;
    static const struct {
        bool is_unix;
        const char *call;
        int error, result;
        const char *text;
    } rows[] = {
        {true,  "socket",      EMFILE,       FQ_EIO, "socket: "               },
        {true,  "bind",        ENOSPC,       FQ_EIO, "bind: "                 },
        {true,  "bind",        EADDRINUSE,   FQ_EIO, "somebody listens there" },
        {true,  "chmod",       EPERM,        FQ_EIO, "chmod: "                },
        {true,  "listen",      EADDRINUSE,   FQ_EIO, "listen: "               },
        {false, "socket",      EAFNOSUPPORT, FQ_EIO, "socket: "               },
        {false, "bind",        EACCES,       FQ_EIO, "bind: Permission denied"},
        {false, "listen",      EADDRINUSE,   FQ_EIO, "listen: Address already"},
        {false, "getsockname", ENOBUFS,      0,      ""                       },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_address address = rows[i].is_unix ? unix_address() : tcp_address("127.0.0.1");
        int fds[FQ_LISTEN_SOCKET_MAX], before = failing_loop_descriptors();
        size_t count = 0;
        char error[256] = "";
        failing_call_set(rows[i].call, 0, rows[i].error);
        assert_int_equal(fq_listen_sockets(&address, fds, &count, error, sizeof error), rows[i].result);
        assert_int_equal(failing_call_count(), 1);
        assert_non_null(strstr(error, rows[i].text));
        for (size_t k = 0; k < count; k++)
            close(fds[k]);
        assert_int_equal(failing_loop_descriptors(), before);
        assert_int_equal(address.port, 0); // not known
        unlink(unix_address().path);
    }
    struct fq_address nowhere = tcp_address("no such host at all");
    int fds[FQ_LISTEN_SOCKET_MAX];
    size_t count = 0;
    char error[256] = "";
    assert_int_equal(fq_listen_sockets(&nowhere, fds, &count, error, sizeof error), FQ_EIO);
    assert_true(error[0] != '\0');
}

// What lies in the way of a Unix socket is taken over only if it is a socket that nobody answers on.
static void what_lies_in_the_way_stays(void **state) {
    (void)state;
    struct fq_address address = unix_address();
    int fds[FQ_LISTEN_SOCKET_MAX], again[FQ_LISTEN_SOCKET_MAX];
    size_t count;
    char error[256];
    int file = open(address.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(fq_listen_sockets(&address, fds, &count, error, sizeof error), FQ_EIO);
    assert_non_null(strstr(error, "it is no socket"));
    struct stat facts;
    assert_int_equal(lstat(address.path, &facts), 0);
    assert_true(S_ISREG(facts.st_mode));
    unlink(address.path);
    assert_int_equal(fq_listen_sockets(&address, fds, &count, error, sizeof error), 0);
    assert_int_equal(fq_listen_sockets(&address, again, &count, error, sizeof error), FQ_EIO); // it lives
    close(fds[0]);
    failing_call_set("socket", 1, EMFILE); // whether it lives cannot be asked: then it does
    assert_int_equal(fq_listen_sockets(&address, fds, &count, error, sizeof error), FQ_EIO);
    assert_int_equal(fq_listen_sockets(&address, fds, &count, error, sizeof error), 0);
    close(fds[0]);
    unlink(address.path);
}

// A name with two addresses: one that cannot be used is left out, one that is taken refuses the whole.
static void a_name_of_two_addresses(void **state) {
    (void)state;
    struct fq_address address = tcp_address("127.0.0.1");
    int fds[FQ_LISTEN_SOCKET_MAX], before = failing_loop_descriptors();
    size_t count;
    char error[256];
    has_second_address = true;
    assert_int_equal(fq_listen_sockets(&address, fds, &count, error, sizeof error), 0);
    assert_int_equal(count, 1); // the kernel would choose another port for the second
    assert_int_not_equal(address.port, 0);
    close(fds[0]); // now a port that is free
    assert_int_equal(fq_listen_sockets(&address, fds, &count, error, sizeof error), 0);
    assert_int_equal(count, 2);
    close(fds[0]);
    close(fds[1]);
    failing_call_set("bind", 1, EADDRNOTAVAIL);
    assert_int_equal(fq_listen_sockets(&address, fds, &count, error, sizeof error), 0);
    assert_int_equal(count, 1);
    close(fds[0]);
    failing_call_set("bind", 1, EADDRINUSE);
    assert_int_equal(fq_listen_sockets(&address, fds, &count, error, sizeof error), FQ_EIO);
    has_second_address = false;
    assert_int_equal(failing_loop_descriptors(), before);
}

// ---- a listener ----

struct house {
    int callers, exhausted;
};

static void on_socket(void *context, int fd, const struct fq_peer *peer) {
    struct house *house = context;
    assert_true(peer->is_local);
    house->callers++;
    close(fd);
}

static void on_exhausted(void *context, const char *reason) {
    struct house *house = context;
    assert_true(reason[0] != '\0');
    house->exhausted++;
}

static const struct fq_listener_handler house_handler = {on_socket, on_exhausted};

static int call(const struct fq_address *address) {
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    memcpy(where.sun_path, address->path, sizeof where.sun_path);
    int fd = __real_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&where, sizeof where), 0);
    return fd;
}

static void callers_that_cannot_be_taken(void **state) {
    (void)state;
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct fq_address address = unix_address();
        struct house house = {0};
        fq_listener *listener;
        char error[256];
        assert_int_equal(fq_listener_open(&failing_loop()->loop, &address, &house_handler, &house, error,
                                          sizeof error, &listener),
                         0);
        int caller = call(&address);
        failing_call_set("accept4", 0, errors[i]);
        failing_loop_run_until(&house.exhausted, 1); // turned away, and the doors are shut for a moment
        assert_int_equal(house.callers, 0);
        close(caller);
        caller = call(&address);
        failing_loop_run_until(&house.callers, 1); // then open again
        close(caller);
        assert_int_equal(house.exhausted, 1);
        caller = call(&address);
        failing_call_set("accept4", 0, ECONNABORTED); // one that has hung up is no reason to stop
        failing_loop_run_until(&house.callers, 2);
        close(caller);
        assert_null(fq_listener_close(listener));
        uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
    }
    assert_null(fq_listener_close(NULL));
}

static void a_listener_that_cannot_be_made(void **state) {
    (void)state;
    struct fq_address address = unix_address();
    struct house house = {0};
    fq_listener *listener = NULL;
    char error[256] = "";
    int before = failing_loop_descriptors();
    failing_call_set("calloc", 0, ENOMEM);
    assert_int_equal(fq_listener_open(&failing_loop()->loop, &address, &house_handler, &house, error,
                                      sizeof error, &listener),
                     FQ_ENOMEM);
    assert_string_equal(error, "out of memory");
    failing_call_set("uv_poll_init", 0, EINVAL);
    assert_int_equal(fq_listener_open(&failing_loop()->loop, &address, &house_handler, &house, error,
                                      sizeof error, &listener),
                     FQ_EIO);
    assert_non_null(strstr(error, "event loop"));
    uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
    assert_null(listener);
    assert_int_equal(failing_loop_descriptors(), before);
    assert_int_not_equal(access(address.path, F_OK), 0);
}

// ---- a child ----

struct ended {
    int count, code, signal;
};

static void on_exit_of_child(void *context, int code, int signal_number) {
    struct ended *ended = context;
    ended->count++;
    ended->code = code;
    ended->signal = signal_number;
}

static void children(void **state) {
    (void)state;
    static const char *const asks[] = {"sh", "-c", "test \"$FQ_TEST_WORD\" = good && exit 7", NULL};
    static const char *const waits[] = {"sh", "-c", "sleep 60", NULL};
    static const char *const variables[] = {"FQ_TEST_WORD=good", NULL};
    struct ended ended = {0};
    struct fq_child_options options = {.program = "/bin/sh",
                                       .args = asks,
                                       .variables = variables,
                                       .on_exit = on_exit_of_child,
                                       .context = &ended};
    static const struct {
        const char *call;
        int skip, result;
    } rows[] = {
        {"calloc",          0, FQ_ENOMEM},
        {"calloc",          1, FQ_ENOMEM},
        {"uv_signal_init",  0, FQ_ENOMEM},
        {"uv_signal_start", 0, FQ_EIO   },
        {"posix_spawn",     0, FQ_EIO   },
    };
    fq_child *child = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        failing_call_set(rows[i].call, rows[i].skip, ENOMEM);
        assert_int_equal(fq_child_spawn(&failing_loop()->loop, &options, &child), rows[i].result);
        assert_int_equal(failing_call_count(), 1);
        assert_null(child);
        uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
    }
    setenv("FQ_TEST_WORD", "bad", 1); // the one given takes its place
    assert_int_equal(fq_child_spawn(&failing_loop()->loop, &options, &child), 0);
    failing_loop_run_until(&ended.count, 1);
    assert_int_equal(ended.code, 7);
    assert_int_equal(ended.signal, 0);
    fq_child_signal(child, SIGKILL); // nobody is there any more: no other process may get it
    assert_null(fq_child_close(child));
    options.args = waits;
    assert_int_equal(fq_child_spawn(&failing_loop()->loop, &options, &child), 0);
    assert_true(fq_child_pid(child) > 0);
    raise(SIGCHLD); // of somebody else's child
    for (int i = 0; i < 5; i++)
        uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
    assert_int_equal(ended.count, 1);
    fq_child_signal(child, SIGTERM);
    failing_loop_run_until(&ended.count, 2);
    assert_int_equal(ended.code, -1);
    assert_int_equal(ended.signal, SIGTERM);
    assert_null(fq_child_close(child));
    assert_null(fq_child_close(NULL));
    uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
    unsetenv("FQ_TEST_WORD");
}

// ---- the rest ----

static void what_the_kernel_does_not_tell_is_zero(void **state) {
    (void)state;
    struct fq_process_use use;
    static const char *const calls[] = {"opendir", "uv_getrusage", "uv_resident_set_memory", "getrlimit"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        failing_call_set(calls[i], 0, EMFILE);
        fq_process_use(&use);
        assert_int_equal(use.open_files == 0, i == 0);
        assert_int_equal(use.cpu_s <= 0, i == 1);
        assert_int_equal(use.resident_bytes == 0, i == 2);
        assert_int_equal(use.open_files_max == 0, i == 3);
    }
    struct rlimit limit;
    assert_int_equal(__real_getrlimit(RLIMIT_NOFILE, &limit), 0);
    failing_call_set("getrlimit", 0, EPERM);
    assert_int_equal(fq_process_raise_open_files(), 0);
    failing_call_set("setrlimit", 0, EPERM);
    assert_int_equal(fq_process_raise_open_files(), limit.rlim_cur); // as it was
}

static void notices_to_nobody(void **state) {
    (void)state;
    char path[200], text[16];
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    snprintf(where.sun_path, sizeof where.sun_path, "%s/notify", failing_loop()->directory);
    int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(__real_bind(fd, (const struct sockaddr *)&where, sizeof where), 0);
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    const char *const wrong[] = {"", "relative", path};
    for (size_t i = 0; i < 3; i++) {
        setenv("NOTIFY_SOCKET", wrong[i], 1);
        fq_notify("READY=1");
    }
    setenv("NOTIFY_SOCKET", where.sun_path, 1);
    failing_call_set("socket", 0, EMFILE);
    fq_notify("READY=1");
    assert_int_equal(failing_call_count(), 1);
    assert_int_equal(recv(fd, text, sizeof text, 0), -1);
    fq_notify("READY=1");
    assert_int_equal(recv(fd, text, sizeof text, 0), 7);
    unsetenv("NOTIFY_SOCKET");
    close(fd);
    unlink(where.sun_path);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, failing_loop_set_up, failing_loop_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(listening_that_fails_is_told),
        TEST(what_lies_in_the_way_stays),
        TEST(a_name_of_two_addresses),
        TEST(callers_that_cannot_be_taken),
        TEST(a_listener_that_cannot_be_made),
        TEST(children),
        TEST(what_the_kernel_does_not_tell_is_zero),
        TEST(notices_to_nobody),
    };
    return cmocka_run_group_tests(tests, failing_loop_make_directory, failing_loop_remove_directory);
}
