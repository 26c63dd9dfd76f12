// SPDX-License-Identifier: Apache-2.0
#include "net/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct fq_child {
    uv_signal_t child_signal;
    pid_t pid;
    bool has_ended, is_closed;
    void (*on_exit)(void *context, int code, int signal);
    void *context;
};

static bool is_replaced(const char *variable, const char *const *variables) {
    size_t len = strcspn(variable, "=") + 1;
    for (size_t i = 0; variables != NULL && variables[i] != NULL; i++)
        if (strncmp(variable, variables[i], len) == 0)
            return true;
    return false;
}

// The strings are borrowed; the array is the caller's to free.
static const char **make_environment(const char *const *variables) {
    size_t count = 1;
    for (char **each = environ; *each != NULL; each++)
        count++;
    for (size_t i = 0; variables != NULL && variables[i] != NULL; i++)
        count++;
    const char **environment = calloc(count, sizeof *environment);
    if (environment == NULL)
        return NULL;
    size_t used = 0;
    for (char **each = environ; *each != NULL; each++)
        if (!is_replaced(*each, variables))
            environment[used++] = *each;
    for (size_t i = 0; variables != NULL && variables[i] != NULL; i++)
        environment[used++] = variables[i];
    return environment;
}

static int spawn(const struct fq_child_options *options, const char **environment, pid_t *ret_pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    int error = posix_spawn(ret_pid, options->program, &actions, &attributes,
                            (char *const *)(uintptr_t)options->args, (char *const *)(uintptr_t)environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0 ? 0 : FQ_EIO;
}

static void on_child_signal(uv_signal_t *handle, int signal_number) {
    (void)signal_number;
    fq_child *child = handle->data;
    int status;
    if (child->has_ended || waitpid(child->pid, &status, WNOHANG) != child->pid)
        return;
    child->has_ended = true;
    uv_signal_stop(&child->child_signal);
    if (WIFEXITED(status))
        child->on_exit(child->context, WEXITSTATUS(status), 0);
    else
        child->on_exit(child->context, -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void free_child(uv_handle_t *handle) {
    free(handle->data);
}

int fq_child_spawn(uv_loop_t *loop, const struct fq_child_options *options, fq_child **ret_child) {
    fq_child *child = calloc(1, sizeof *child);
    const char **environment = make_environment(options->variables);
    if (child == NULL || environment == NULL || uv_signal_init(loop, &child->child_signal) < 0) {
        free(child);
        free(environment);
        return FQ_ENOMEM;
    }
    child->child_signal.data = child;
    child->on_exit = options->on_exit;
    child->context = options->context;
    // Before the child is there: its end must not be missed.
    int result = uv_signal_start(&child->child_signal, on_child_signal, SIGCHLD) < 0 ? FQ_EIO : 0;
    if (result == 0)
        result = spawn(options, environment, &child->pid);
    free(environment);
    if (result < 0) {
        uv_close((uv_handle_t *)&child->child_signal, free_child);
        return result;
    }
    *ret_child = child;
    return 0;
}

int fq_child_pid(const fq_child *child) {
    return child->pid;
}

void fq_child_signal(fq_child *child, int signal_number) {
    if (!child->has_ended)
        kill(child->pid, signal_number);
}

fq_child *fq_child_close(fq_child *child) {
    if (child == NULL || child->is_closed)
        return NULL;
    child->is_closed = true;
    uv_close((uv_handle_t *)&child->child_signal, free_child);
    return NULL;
}
