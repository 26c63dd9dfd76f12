// SPDX-License-Identifier: Apache-2.0
// What a forked child does with its parent's connection. The receiver is a process of its own, so that this one has no
// threads but those of the exporter.
#include "support/certificates.h"
#include "support/otlp_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct receiver {
    char directory[32];
    struct fq_test_identity authority, server;
    pid_t pid;
    FILE *in, *out; // its standard input and output
};

static void find_program(char path[4096]) {
    ssize_t len = readlink("/proc/self/exe", path, 4000);
    assert_true(len > 0);
    path[len] = '\0';
    strcpy(strrchr(path, '/'), "/otlp_collector");
}

static void start(struct receiver *receiver, struct otlp_rig *rig, bool is_http, const char *script) {
    char path[4096], tls[] = "--tls", http[] = "--http", words[64];
    int in[2], out[2];
    posix_spawn_file_actions_t actions;
    unsigned port = 0;
    find_program(path);
    snprintf(words, sizeof words, "%s", script);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    char *arguments[] = {path, tls, receiver->server.cert, receiver->server.key, words, is_http ? http : NULL,
                         NULL};
    assert_int_equal(posix_spawn(&receiver->pid, path, &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    receiver->in = fdopen(in[1], "w");
    receiver->out = fdopen(out[0], "r");
    char line[32];
    assert_non_null(fgets(line, sizeof line, receiver->out));
    port = (unsigned)strtoul(line, NULL, 10);
    otlp_rig_init(rig, NULL);
    snprintf(rig->endpoint, sizeof rig->endpoint, "https://127.0.0.1:%u", port);
    rig->options.protocol = is_http ? OTEL_OTLP_HTTP_PROTOBUF : OTEL_OTLP_GRPC;
    rig->options.ca_file = receiver->authority.cert;
    otlp_rig_open(rig);
}

// The connection that the next request came on.
static int next_connection(struct receiver *receiver) {
    char *line = NULL;
    size_t size = 0;
    int connection = 0;
    assert_true(getline(&line, &size, receiver->out) > 0);
    const char *found = strstr(line, "\"connection\": ");
    assert_non_null(found);
    assert_int_equal(sscanf(found, "\"connection\": %d", &connection), 1);
    free(line);
    return connection;
}

static void stop(struct receiver *receiver, struct otlp_rig *rig) {
    int status;
    otlp_rig_done(rig);
    fclose(receiver->in);
    assert_int_equal(waitpid(receiver->pid, &status, 0), receiver->pid);
    fclose(receiver->out);
}

static int make_identities(void **state) {
    struct receiver *receiver = calloc(1, sizeof *receiver);
    fq_test_certificates_begin(receiver->directory);
    receiver->authority = fq_test_authority(receiver->directory, "authority");
    receiver->server =
        fq_test_certificate(receiver->directory, "server", "IP:127.0.0.1", -60, 3600, &receiver->authority);
    *state = receiver;
    return 0;
}

static int remove_identities(void **state) {
    struct receiver *receiver = *state;
    fq_test_certificates_end(receiver->directory);
    free(receiver);
    return 0;
}

static void fork_and_export(struct otlp_rig *rig) {
    pid_t pid = fork();
    if (pid == 0) {
        rig->exporter.ops->after_fork(rig->exporter.self);
        int ok = 0;
        for (int i = 0; i < 3; i++)
            ok += otlp_rig_export(rig, 0) == OTEL_OK;
        rig->exporter.ops->free(rig->exporter.self);
        _exit(ok == 3 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void otlp_forked_child_opens_its_own_connection(void **state) {
    struct receiver *receiver = *state;
    static const int connections[] = {1, 2, 2, 2, 1, 1};
    for (int is_http = 0; is_http < 2; is_http++) {
        struct otlp_rig rig;
        start(receiver, &rig, is_http, "ok");
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
        fork_and_export(&rig);
        // The parent's connection was not disturbed by the child's end.
        for (int i = 0; i < 2; i++)
            assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
        for (size_t i = 0; i < sizeof connections / sizeof connections[0]; i++)
            assert_int_equal(next_connection(receiver), connections[i]);
        stop(receiver, &rig);
    }
}

static void *export_one(void *context) {
    return (void *)(intptr_t)otlp_rig_export(context, 0);
}

static void otlp_fork_during_a_call_leaves_both_working(void **state) {
    struct receiver *receiver = *state;
    for (int is_http = 0; is_http < 2; is_http++) {
        struct otlp_rig rig;
        pthread_t thread;
        void *result;
        start(receiver, &rig, is_http, "slow:200 ok");
        pthread_create(&thread, NULL, export_one, &rig);
        assert_int_equal(next_connection(receiver), 1); // it has the request, and waits
        fork_and_export(&rig);
        pthread_join(thread, &result);
        assert_int_equal((intptr_t)result, OTEL_OK);
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
        for (int i = 0; i < 3; i++)
            assert_int_equal(next_connection(receiver), 2);
        assert_int_equal(next_connection(receiver), 1);
        stop(receiver, &rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(otlp_forked_child_opens_its_own_connection),
        cmocka_unit_test(otlp_fork_during_a_call_leaves_both_working),
    };
    return cmocka_run_group_tests_name("otlp_fork", tests, make_identities, remove_identities);
}
