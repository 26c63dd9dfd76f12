// SPDX-License-Identifier: Apache-2.0
// Tasks that attack the process they run in, its parent, and the machine: cases 13 to 17 of the fault matrix.
#include <fastqueue/task.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void sleep_for(int64_t ms) {
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000L};
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* Leaves one byte in a file, so that executions can be counted, then sleeps. */
FQ_TASK_NAMED(fault_count, "fault.count") {
    const char *path;
    int64_t ms = 0;
    if (fq_task_arg_string(task, 0, "path", &path, NULL) < 0)
        return fq_task_fail(task, "ArgumentError", "fault.count(path, ms) needs a path");
    (void)fq_task_arg_int(task, 1, "ms", &ms);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1)
        return fq_task_fail(task, "IOError", "%s cannot be written", path);
    close(fd);
    sleep_for(ms);
    return fq_task_result_int(task, (int64_t)getpid());
}

/* Forks without end, and so do its children. */
FQ_TASK_NAMED(fault_bomb, "fault.bomb") {
    (void)task;
    for (;;)
        if (fork() < 0)
            sleep_for(1);
}

/* Hears no signal that can be blocked, and never ends. */
FQ_TASK_NAMED(fault_deaf, "fault.deaf") {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    (void)task;
    for (;;)
        sleep_for(1000);
}

/* Leaves a process behind that has a session of its own, as daemons do; ends or, with a second argument, hangs. */
FQ_TASK_NAMED(fault_daemon, "fault.daemon") {
    const char *path;
    bool hangs = false;
    if (fq_task_arg_string(task, 0, "path", &path, NULL) < 0)
        return fq_task_fail(task, "ArgumentError", "fault.daemon(path, hangs) needs a path");
    (void)fq_task_arg_bool(task, 1, "hangs", &hangs);
    pid_t middle = fork();
    if (middle == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dprintf(fd, "%d\n", (int)getpid());
        for (fd = 0; fd < 256; fd++)
            close(fd);
        for (;;)
            pause();
    }
    while (hangs)
        sleep_for(1000);
    return fq_task_result_int(task, middle);
}

/* Takes its supervisor away. */
FQ_TASK_NAMED(fault_patricide, "fault.patricide") {
    const char *path;
    int64_t ms = 0;
    (void)fq_task_arg_int(task, 1, "ms", &ms);
    if (fq_task_arg_string(task, 0, "path", &path, NULL) == 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, "x", 1) != 1)
            return fq_task_fail(task, "IOError", "%s cannot be written", path);
        close(fd);
    }
    sleep_for(ms);
    kill(getppid(), SIGKILL);
    sleep_for(60000);
    return 0;
}
