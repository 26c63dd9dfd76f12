// SPDX-License-Identifier: Apache-2.0
#include "worker/stray.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// A killed stray's own children are adopted in turn; what multiplies faster than this is for a control group to contain.
enum { PASSES = 100, ENVIRONMENT_MAX = 1 << 20 };

void fq_stray_adopt(void) {
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

// The whole environment of a process, zero-terminated; NULL if it cannot be read.
static char *read_environment(pid_t pid, size_t *ret_len) {
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? malloc(ENVIRONMENT_MAX + 1) : NULL;
    size_t len = 0;
    while (text != NULL && len < ENVIRONMENT_MAX) {
        ssize_t got = read(fd, text + len, ENVIRONMENT_MAX - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    if (text != NULL)
        text[len] = '\0';
    *ret_len = len;
    return text;
}

static bool comes_from(pid_t pid, pid_t runner) {
    char mark[48];
    size_t mark_len = strlen(FQ_STRAY_MARK), len;
    char *text = read_environment(pid, &len);
    if (text == NULL)
        return false;
    snprintf(mark, sizeof mark, FQ_STRAY_MARK "%d", (int)runner);
    bool found = false;
    for (size_t at = 0; at < len && !found; at += strlen(text + at) + 1)
        found = runner != 0
                    ? strcmp(text + at, mark) == 0
                    : strncmp(text + at, FQ_STRAY_MARK, mark_len) == 0 && atoi(text + at + mark_len) != pid;
    free(text);
    return found;
}

// Kills those of one thread's children; how many there were.
static int kill_children_of(const char *thread, pid_t runner) {
    char path[300];
    snprintf(path, sizeof path, "/proc/self/task/%s/children", thread);
    FILE *file = fopen(path, "re");
    int killed = 0, pid;
    while (file != NULL && fscanf(file, "%d", &pid) == 1)
        // A runner bears its own mark, and is no stray.
        if (pid != runner && comes_from(pid, runner) && kill(pid, SIGKILL) == 0)
            killed++;
    if (file != NULL)
        fclose(file);
    return killed;
}

static int kill_once(pid_t runner) {
    DIR *threads = opendir("/proc/self/task");
    int killed = 0;
    const struct dirent *thread;
    while (threads != NULL && (thread = readdir(threads)) != NULL)
        if (thread->d_name[0] != '.')
            killed += kill_children_of(thread->d_name, runner);
    if (threads != NULL)
        closedir(threads);
    return killed;
}

void fq_stray_kill(pid_t runner) {
    // One that is dying is still listed, but its environment is gone: a pass that finds none is the last.
    for (int pass = 0; pass < PASSES && kill_once(runner) > 0; pass++) {
        struct timespec pause = {.tv_nsec = 200 * 1000};
        nanosleep(&pause, NULL);
    }
}

void fq_stray_reap(bool (*is_runner)(const void *context, pid_t pid), const void *context) {
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        // A runner among the dead stays for its owner, whom the next SIGCHLD wakes; the strays behind it wait for that too.
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
            is_runner(context, info.si_pid))
            return;
        (void)waitpid(info.si_pid, NULL, WNOHANG);
    }
}
