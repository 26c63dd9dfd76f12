// SPDX-License-Identifier: Apache-2.0
// Tasks for the tests of a worker's telemetry.
#include <fastqueue/task.h>
#include <otel/metrics.h>
#include <otel/trace.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

FQ_TASK(quick) {
    (void)task;
    return 0;
}

static void sleep_ms(int64_t ms) {
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue;
}

FQ_TASK(nap) {
    int64_t ms = 10;
    (void)fq_task_arg_int(task, 0, "ms", &ms);
    sleep_ms(ms);
    return 0;
}

/* Ends one span of its own, leaves another one open, and dies. */
FQ_TASK(die_inside) {
    int64_t number = SIGKILL;
    (void)fq_task_arg_int(task, 0, "signal", &number);
    OTEL_SPAN_SCOPE(fq_task_tracer(task), "finished before"){}(void)otel_span_start(fq_task_tracer(task),
                                                                                    "never finished", NULL);
    otel_add(otel_counter(fq_task_meter(task), "died.count", "{death}", "Counted before the end"), 1, NULL,
             0);
    signal((int)number, SIG_DFL);
    raise((int)number);
    return 0;
}

/* Its child records as if it were the runner; nothing of that may arrive. */
FQ_TASK(fork_and_record) {
    pid_t pid = fork();
    if (pid == 0) {
        OTEL_SPAN_SCOPE(fq_task_tracer(task), "in the child") {}
        for (int i = 0; i < 1000; i++)
            otel_add(otel_counter(fq_task_meter(task), "forked.count", "{count}", "Of the parent only"), 1,
                     NULL, 0);
        fq_task_log(task, FQ_TASK_ERROR, "from the child");
        _exit(0);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return fq_task_fail(task, "ForkError", "the child ended with %d", status);
    otel_add(otel_counter(fq_task_meter(task), "forked.count", "{count}", "Of the parent only"), 1, NULL, 0);
    OTEL_SPAN_SCOPE(fq_task_tracer(task), "in the parent") {}
    return 0;
}

/* Its child comes back from the task like the parent does. */
FQ_TASK(fork_and_return) {
    pid_t pid = fork();
    if (pid == 0)
        return 0;
    return fq_task_result_bool(task, pid > 0 && waitpid(pid, NULL, 0) == pid);
}

FQ_TASK(print) {
    const char *text = "";
    int64_t ms = 0;
    (void)fq_task_arg_string(task, 0, "text", &text, NULL);
    (void)fq_task_arg_int(task, 1, "ms", &ms);
    printf("%s", text);
    fprintf(stderr, "to stderr: %s\n", text);
    if (ms > 0) {
        fflush(stdout);
        sleep_ms(ms);
    }
    return 0;
}

FQ_TASK(print_much) {
    int64_t lines = 10000;
    (void)fq_task_arg_int(task, 0, "lines", &lines);
    for (int64_t i = 0; i < lines; i++)
        printf("line %lld of much output, which has to go somewhere\n", (long long)i);
    return 0;
}

/* The traceparent of what is current. */
FQ_TASK(current) {
    struct otel_span_context context;
    char text[OTEL_TRACEPARENT_TEXT + 1] = "";
    if (otel_current_span_context(&context))
        otel_traceparent_format(&context, text);
    const otel_baggage *baggage = otel_context_baggage(otel_context_current());
    const char *user = otel_baggage_get(baggage, "user");
    char both[200];
    snprintf(both, sizeof both, "%s %s", text, user != NULL ? user : "-");
    return fq_task_result_string(task, both);
}

/* Noise into what lies behind the slots of the board: ring, metrics, open spans. */
FQ_TASK(scribble_telemetry) {
    int64_t seed = 1;
    (void)fq_task_arg_int(task, 0, "seed", &seed);
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned long from = 0, to = 0;
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "fastqueue-board") != NULL)
            (void)sscanf(line, "%lx-%lx", &from, &to);
    if (from == 0)
        return fq_task_fail(task, "NoBoard", "the board is not mapped");
    srand((unsigned)seed);
    size_t skip = 4096 + 1024 * 128 + 256 * 1024 + 1024 * 1024;
    for (int i = 0; i < 20000; i++)
        ((volatile unsigned char *)from)[skip + (size_t)rand() % (to - from - skip)] = (unsigned char)rand();
    return 0;
}
