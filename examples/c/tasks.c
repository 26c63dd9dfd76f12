// SPDX-License-Identifier: Apache-2.0
// Example tasks in C, good ones and bad ones: the demo and the tests run them.
//
//     cc -shared -fPIC -o tasks.so tasks.c $(pkg-config --cflags fastqueue jansson)
//     fastqueue subworker --task-modules ./tasks.so
#include <fastqueue/task.h>

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

FQ_TASK(noop) {
    (void)task;
    return 0;
}

FQ_TASK(add) {
    int64_t a, b;
    if (fq_task_arg_int(task, 0, "a", &a) < 0 || fq_task_arg_int(task, 1, "b", &b) < 0)
        return fq_task_fail(task, "ArgumentError", "add(a, b) needs two integers");
    return fq_task_result_int(task, a + b);
}

/* Gives its first argument back, whatever it is. */
FQ_TASK(echo) {
    json_t *value = fq_task_arg_json(task, 0, "value");
    return value != NULL ? fq_task_result_json(task, json_incref(value)) : fq_task_result_null(task);
}

/* Gives the payload back, byte for byte. */
FQ_TASK(echo_raw) {
    size_t len;
    const char *encoding;
    const void *bytes = fq_task_payload(task, &len, &encoding);
    return fq_task_result_raw(task, bytes, len, encoding);
}

FQ_TASK(word_count) {
    const char *text;
    size_t len;
    if (fq_task_arg_string(task, 0, "text", &text, &len) < 0)
        return fq_task_fail(task, "ArgumentError", "word_count(text) needs a string");
    int64_t words = 0;
    bool inside = false;
    for (size_t i = 0; i < len; i++) {
        bool is_blank = strchr(" \t\r\n", text[i]) != NULL;
        words += inside && is_blank;
        inside = !is_blank;
    }
    return fq_task_result_int(task, words + inside);
}

FQ_TASK_NAMED(whoami, "task.whoami") {
    return fq_task_result_json(task, json_pack("{s:s, s:s, s:i, s:i}", "id", fq_task_id(task), "name",
                                               fq_task_name(task), "attempt", (int)fq_task_attempt(task),
                                               "pid", (int)getpid()));
}

FQ_TASK(fail) {
    const char *message = "as asked";
    (void)fq_task_arg_string(task, 0, "message", &message, NULL);
    return fq_task_fail(task, "DemoError", "%s", message);
}

FQ_TASK(fail_for_good) {
    return fq_task_fail_for_good(task, "DemoError", "no use to try again");
}

/* Fails until its third attempt. */
FQ_TASK(flaky) {
    if (fq_task_attempt(task) < 3)
        return fq_task_fail(task, "TransientError", "attempt %u", fq_task_attempt(task));
    return fq_task_result_int(task, fq_task_attempt(task));
}

static void sleep_for(int64_t ms) {
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* Sleeps deaf to everything. */
FQ_TASK(sleep_ms) {
    int64_t ms = 0;
    if (fq_task_arg_int(task, 0, "ms", &ms) < 0 || ms < 0)
        return fq_task_fail(task, "ArgumentError", "sleep_ms(ms) needs a number of milliseconds");
    sleep_for(ms);
    return fq_task_result_int(task, ms);
}

/* Sleeps in small steps and stops when told. */
FQ_TASK(sleep_politely) {
    int64_t ms = 0, slept = 0;
    if (fq_task_arg_int(task, 0, "ms", &ms) < 0 || ms < 0)
        return fq_task_fail(task, "ArgumentError", "sleep_politely(ms) needs a number of milliseconds");
    for (; slept < ms; slept += 10) {
        if (fq_task_should_stop(task))
            return fq_task_fail(task, "TaskCancelled", "stopped after %lld ms", (long long)slept);
        sleep_for(10);
    }
    return fq_task_result_int(task, slept);
}

FQ_TASK(spin) {
    (void)task;
    volatile bool forever = true;
    while (forever)
        continue;
    return 0;
}

FQ_TASK(segfault) {
    (void)task;
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 1;
    return 0;
}

FQ_TASK(abort_now) {
    (void)task;
    abort();
}

FQ_TASK(exit_now) {
    int64_t code = 3;
    (void)fq_task_arg_int(task, 0, "code", &code);
    exit((int)code);
}

FQ_TASK(raise_signal) {
    int64_t number = SIGKILL;
    (void)fq_task_arg_int(task, 0, "number", &number);
    raise((int)number);
    return fq_task_result_int(task, number);
}

/* Takes memory and keeps it, a megabyte at a time; with an argument it stops there. */
FQ_TASK(leak) {
    int64_t megabytes = INT64_MAX;
    (void)fq_task_arg_int(task, 0, "megabytes", &megabytes);
    for (int64_t taken = 0; taken < megabytes; taken++) {
        char *lost = malloc(1 << 20);
        if (lost == NULL)
            return fq_task_fail(task, "MemoryError", "malloc refused after %lld MiB", (long long)taken);
        memset(lost, 1, 1 << 20);
        /* Slowly enough that whoever watches can act. */
        sleep_for(1);
    }
    return fq_task_result_int(task, megabytes);
}

FQ_TASK(bad_utf8) {
    return fq_task_result_string(task, "\xff\xfe");
}

FQ_TASK(not_a_number) {
    return fq_task_result_double(task, strtod("nan", NULL));
}

FQ_TASK(big_result) {
    int64_t bytes = 0;
    if (fq_task_arg_int(task, 0, "bytes", &bytes) < 0 || bytes < 0)
        return fq_task_fail(task, "ArgumentError", "big_result(bytes) needs a size");
    char *text = malloc((size_t)bytes + 1);
    if (text == NULL)
        return fq_task_fail(task, "MemoryError", "no memory for %lld bytes", (long long)bytes);
    memset(text, 'x', (size_t)bytes);
    int returned = fq_task_result_raw(task, text, (size_t)bytes, "raw");
    free(text);
    return returned;
}

/* Forks a child that outlives the task: it goes when its runner goes. */
FQ_TASK(fork_child) {
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    return fq_task_result_int(task, child);
}

/* Closes descriptors that are not its own, from the first one given upwards, as some ways to become a daemon do. */
FQ_TASK(close_descriptors) {
    int64_t first = 3, size = 0;
    (void)fq_task_arg_int(task, 0, "first", &first);
    (void)fq_task_arg_int(task, 1, "size", &size);
    for (int fd = (int)first; fd < 1024; fd++)
        close(fd);
    char *text = calloc(1, (size_t)size + 1);
    if (text == NULL)
        return fq_task_fail(task, "MemoryError", "no memory");
    memset(text, 'x', (size_t)size);
    int returned = fq_task_result_string(task, text);
    free(text);
    return returned;
}

/* Finds the memory board among the process's mappings and fills it with noise, as a wild pointer might. */
FQ_TASK(scribble) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned long begin = 0, end = 0;
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "fastqueue-board") != NULL && sscanf(line, "%lx-%lx", &begin, &end) == 2)
            break;
    if (maps != NULL)
        fclose(maps);
    int64_t seed = 1, wait_ms = 100;
    (void)fq_task_arg_int(task, 0, "seed", &seed);
    (void)fq_task_arg_int(task, 1, "wait_ms", &wait_ms);
    sleep_for(wait_ms);
    unsigned long long noise = (unsigned long long)seed * 2654435761u + 88172645463325252ull;
    for (unsigned char *at = (unsigned char *)(uintptr_t)begin; at < (unsigned char *)(uintptr_t)end; at++) {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        *at = (unsigned char)noise;
    }
    sleep_for(300);
    _exit(9);
}
