// SPDX-License-Identifier: Apache-2.0
// A worker for the end-to-end tests that does what its input says, one word a line with arguments behind blanks, and answers
// each with one line: what came of it, or the name of the error.
//
//     open NAME…           connects a client, and registers as "w" for the names; "with INSTANCE" first: with that nonce
//     fetch COUNT MS       COUNT leases, then "NAME PAYLOAD ENCODING PRIORITY ATTEMPT TIMEOUT TRACEPARENT" of each
//     complete N RESULT    of lease N of all fetched so far; likewise …
//     raw N RESULT STARTED … as encoding "raw", with all that can be reported
//     fail N TYPE MESSAGE, forever N TYPE MESSAGE, release N
//     many N M RESULT      of leases N to M in one call: how many went well, and how many did not
//     beat N…              from a client of its own
//     close
#include <fastqueue/worker.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEASES = 2048, WORDS = 64 };

struct tool {
    fq_client *client, *second;
    fq_worker *worker;
    const char *instance;
    struct fq_lease leases[LEASES];
    size_t lease_count;
};

static void answer(int rc) {
    puts(rc < 0 ? fq_error_info(rc)->name : "ok");
}

static fq_client *connect_client(void) {
    struct fq_client_options options;
    fq_client_options_init(&options);
    options.timeout_ms = 20000;
    fq_client *client = NULL;
    char error[300];
    if (fq_client_open(&options, &client, error, sizeof error) < 0) {
        fprintf(stderr, "client_worker: %s\n", error);
        exit(69);
    }
    return client;
}

static void open_worker(struct tool *tool, char **words, size_t count) {
    struct fq_worker_options options;
    fq_worker_options_init(&options);
    options.worker_id = "w";
    options.names = (const char *const *)words;
    options.name_count = count;
    options.slots = 3;
    options.instance = tool->instance;
    if (tool->client == NULL)
        tool->client = connect_client();
    int rc = fq_worker_open(tool->client, &options, &tool->worker);
    answer(rc);
}

static void fetch(struct tool *tool, const char *count_text, const char *ms) {
    const struct fq_worker_task *tasks;
    size_t count;
    int rc = fq_worker_fetch(tool->worker, (uint32_t)atoi(count_text), atoi(ms), &tasks, &count);
    if (rc < 0) {
        answer(rc);
        return;
    }
    printf("%zu", count);
    for (size_t i = 0; i < count; i++) {
        const struct fq_worker_task *task = &tasks[i];
        printf(" %s %s %s %s %u %lld %s", task->name.ptr, task->payload.ptr, task->encoding.ptr,
               task->priority.ptr, task->attempt, (long long)task->timeout_ms,
               task->traceparent.len > 0 ? task->traceparent.ptr : "-");
        if (task->payload.len != strlen(task->payload.ptr) || task->lease_ms <= 0 || task->submitted_at <= 0)
            printf(" BAD");
        if (tool->lease_count < LEASES)
            tool->leases[tool->lease_count++] = task->lease;
    }
    puts("");
}

static void beat(struct tool *tool, char **words, size_t count) {
    static const char *const names[] = {"OK", "CANCEL", "STALE", "DRAIN"};
    struct fq_lease_beat beats[WORDS];
    enum fq_lease_verdict verdicts[WORDS];
    for (size_t i = 0; i < count; i++)
        beats[i] = (struct fq_lease_beat){.lease = tool->leases[atoi(words[i])], .is_running = true};
    if (tool->second == NULL)
        tool->second = connect_client();
    int rc = fq_lease_heartbeat(tool->second, beats, count, verdicts);
    if (rc < 0) {
        answer(rc);
        return;
    }
    for (size_t i = 0; i < count; i++)
        printf("%s%s", i > 0 ? " " : "", names[verdicts[i]]);
    puts("");
}

static void report(struct tool *tool, char **words, size_t count) {
    struct fq_lease_report report;
    fq_lease_report_init(&report);
    const struct fq_lease *lease = &tool->leases[atoi(words[1])];
    if (strcmp(words[0], "complete") == 0) {
        answer(fq_lease_complete(tool->client, lease, words[2], strlen(words[2]), NULL));
    } else if (strcmp(words[0], "raw") == 0 && count >= 4) {
        report.encoding = "raw";
        report.started_unix_ms = atoll(words[3]);
        report.run_us = 4567;
        report.traceparent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
        answer(fq_lease_complete(tool->client, lease, words[2], strlen(words[2]), &report));
    } else if (strcmp(words[0], "release") == 0) {
        answer(fq_lease_release(tool->client, lease));
    } else if (count >= 4) {
        report.no_retry = strcmp(words[0], "forever") == 0;
        report.stack = "main.c:1";
        answer(fq_lease_fail(tool->client, lease, words[2], words[3], &report));
    }
}

// All from one lease to another: how many went well, and how many did not.
static void complete_many(struct tool *tool, size_t first, size_t last, const char *result) {
    struct fq_lease_outcome *outcomes = calloc(last - first + 1, sizeof *outcomes);
    size_t well = 0, count = last - first + 1;
    if (outcomes == NULL)
        exit(70);
    for (size_t i = 0; i < count; i++)
        outcomes[i] = (struct fq_lease_outcome){
            .lease = tool->leases[first + i], .result = result, .result_len = strlen(result)};
    int rc = fq_lease_complete_many(tool->client, outcomes, count);
    for (size_t i = 0; i < count; i++)
        well += outcomes[i].error == 0;
    free(outcomes);
    if (rc < 0)
        answer(rc);
    else
        printf("%zu %zu\n", well, count - well);
}

static void obey(struct tool *tool, char **words, size_t count) {
    if (strcmp(words[0], "with") == 0) {
        tool->instance = strdup(words[1]);
        puts("ok");
    } else if (strcmp(words[0], "open") == 0) {
        open_worker(tool, words + 1, count - 1);
    } else if (strcmp(words[0], "fetch") == 0) {
        fetch(tool, words[1], words[2]);
    } else if (strcmp(words[0], "beat") == 0) {
        beat(tool, words + 1, count - 1);
    } else if (strcmp(words[0], "many") == 0 && count == 4) {
        complete_many(tool, (size_t)atoi(words[1]), (size_t)atoi(words[2]), words[3]);
    } else if (strcmp(words[0], "close") == 0) {
        tool->worker = fq_worker_close(tool->worker);
        puts("ok");
    } else {
        report(tool, words, count);
    }
}

int main(void) {
    struct tool *tool = calloc(1, sizeof *tool);
    char line[65536];
    while (tool != NULL && fgets(line, sizeof line, stdin) != NULL) {
        char *words[WORDS] = {""};
        size_t count = 0;
        for (char *word = strtok(line, " \n"); word != NULL && count < WORDS; word = strtok(NULL, " \n"))
            words[count++] = word;
        if (count > 0)
            obey(tool, words, count);
        fflush(stdout);
    }
    if (tool == NULL)
        return 70;
    fq_worker_close(tool->worker);
    fq_client_close(tool->client);
    fq_client_close(tool->second);
    free((char *)tool->instance);
    free(tool);
    return 0;
}
