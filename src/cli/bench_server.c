// SPDX-License-Identifier: Apache-2.0
// A control plane of the benchmark's own: started on loopback, stopped and removed with all that it wrote.
#include "cli/bench_server.h"
#include "cli/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_MS = 20000, STOP_MS = 15000, PAUSE_MS = 20, OPEN_FILES_MAX = 16 };

// A port that nobody listens on just now, negative if there is none.
static int find_port(void) {
    uv_loop_t loop;
    uv_tcp_t tcp;
    struct sockaddr_in name;
    int len = sizeof name, port = -1;
    if (uv_loop_init(&loop) < 0)
        return -1;
    if (uv_tcp_init(&loop, &tcp) == 0) {
        if (uv_ip4_addr("127.0.0.1", 0, &name) == 0 &&
            uv_tcp_bind(&tcp, (const struct sockaddr *)&name, 0) == 0 &&
            uv_tcp_getsockname(&tcp, (struct sockaddr *)&name, &len) == 0)
            port = ntohs(name.sin_port);
        uv_close((uv_handle_t *)&tcp, NULL);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return port;
}

static bool make_directory(char directory[256]) {
    const char *base = getenv("TMPDIR");
    if (base == NULL || base[0] == '\0')
        base = "/var/tmp"; // on a disk, where /tmp may be in memory
    snprintf(directory, 256, "%.200s/fastqueue-bench-XXXXXX", base);
    return mkdtemp(directory) != NULL;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status, (void)type, (void)walk;
    return remove(path);
}

// In a session of its own, so that ^C reaches only the benchmark, which then stops it; and not outliving it.
static _Noreturn void become_server(const char *const argv[], const char *log, pid_t parent) {
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), in = open("/dev/null", O_RDONLY);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(FQ_EXIT_CANTCREATE);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent)
        execv(argv[0], (char *const *)(uintptr_t)argv); // which changes nothing of it
    _exit(FQ_EXIT_INTERNAL);
}

static bool has_ended(struct fq_bench_server *server) {
    int status;
    if (server->pid <= 0 || waitpid(server->pid, &status, WNOHANG) == server->pid)
        server->pid = 0;
    return server->pid == 0;
}

static bool answers(const char *address) {
    struct fq_client_options options;
    fq_client_options_init(&options);
    fq_client *client = NULL;
    options.address = address;
    options.timeout_ms = 1000;
    options.retries = 0;
    options.no_telemetry = true;
    // A refused credential is an answer too; who asks with it says so.
    int rc = fq_client_open(&options, &client, NULL, 0);
    fq_client_close(client);
    return rc == 0 || rc == FQ_EWRONGPASS || rc == FQ_ENOAUTH || rc == FQ_ENOPERM;
}

static void print_log(const struct fq_bench_server *server) {
    char path[300], line[1024];
    snprintf(path, sizeof path, "%s/log", server->directory);
    FILE *log = fopen(path, "re");
    while (log != NULL && fgets(line, sizeof line, log) != NULL)
        fputs(line, stderr);
    if (log != NULL)
        fclose(log);
}

static bool wait_until_it_answers(struct fq_bench_server *server) {
    for (int ms = 0; ms < START_MS; ms += PAUSE_MS) {
        if (has_ended(server))
            return false;
        if (answers(server->address))
            return true;
        (void)poll(NULL, 0, PAUSE_MS);
    }
    return false;
}

int fq_bench_server_start(const char *program, const char *durability, struct fq_bench_server *ret_server) {
    struct fq_bench_server server = {.pid = 0};
    int port = find_port();
    if (port < 0 || !make_directory(server.directory)) {
        fprintf(stderr,
                "fastqueue bench: no folder or port for a control plane: %s; TMPDIR names another place\n",
                strerror(errno));
        return FQ_EXIT_CANTCREATE;
    }
    char data[300], log[300];
    bool in_memory = strcmp(durability, "none") == 0;
    snprintf(data, sizeof data, "%s/data", server.directory);
    snprintf(log, sizeof log, "%s/log", server.directory);
    snprintf(server.address, sizeof server.address, "tcp://127.0.0.1:%d", port);
    const char *where = in_memory ? "none" : data;
    const char *kept = strcmp(durability, "relaxed") == 0 ? "relaxed" : "sync";
    const char *argv[] = {program,
                          "control-plane",
                          "--base-address",
                          server.address,
                          "--http-address",
                          "off",
                          "--data-dir",
                          where,
                          "--durability",
                          kept,
                          NULL};
    pid_t parent = getpid();
    server.pid = fork();
    if (server.pid == 0)
        become_server(argv, log, parent);
    if (server.pid < 0 || !wait_until_it_answers(&server)) {
        fputs("fastqueue bench: the control plane did not start:\n", stderr);
        print_log(&server);
        fq_bench_server_stop(&server);
        return FQ_EXIT_UNAVAILABLE;
    }
    *ret_server = server;
    return 0;
}

void fq_bench_server_stop(struct fq_bench_server *server) {
    if (server->pid > 0)
        kill(server->pid, SIGTERM);
    for (int ms = 0; ms < STOP_MS && !has_ended(server); ms += PAUSE_MS)
        (void)poll(NULL, 0, PAUSE_MS);
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        (void)waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
    if (server->directory[0] != '\0')
        (void)nftw(server->directory, remove_entry, OPEN_FILES_MAX, FTW_DEPTH | FTW_PHYS);
    server->directory[0] = '\0';
}
