// SPDX-License-Identifier: Apache-2.0
// Works the task "shout" in this very process, until it is interrupted: answers {"args":["text"]} in upper case.
//     cc worker.c -o worker $(pkg-config --cflags --libs fastqueue) && ./worker
#include <fastqueue/worker.h>

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t stopping;

static void stop(int number) {
    stopping = number;
}

static int shout(fq_client *client, fq_worker *worker, const struct fq_worker_task *task) {
    char text[256];
    struct fq_run run; // its times, and with FASTQUEUE_TELEMETRY_ENABLED=true its span
    fq_run_begin(worker, task, &run);
    struct fq_lease_report report;
    fq_lease_report_init(&report);
    report.run = &run;
    if (sscanf(task->payload.ptr, "{\"args\":[\"%253[^\"\\]\"]", text + 1) != 1)
        return fq_lease_fail(client, &task->lease, "ArgumentError", "shout(text) needs a short text",
                             &report);
    text[0] = '"';
    for (char *c = text + 1; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    strcat(text, "\"");
    return fq_lease_complete(client, &task->lease, text, strlen(text), &report);
}

int main(void) {
    char error[200];
    fq_client *client;
    if (fq_client_open(NULL, &client, error, sizeof error) < 0) {
        fprintf(stderr, "worker: open: %s\n", error);
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);

    const char *names[] = {"shout"};
    struct fq_worker_options options;
    fq_worker_options_init(&options);
    options.names = names;
    options.name_count = 1;
    fq_worker *worker = NULL;
    int rc = fq_worker_open(client, &options, &worker);
    while (rc == 0 && !stopping) {
        const struct fq_worker_task *tasks;
        size_t count;
        rc = fq_worker_fetch(worker, 1, 500, &tasks, &count); // a signal is seen within the half second
        if (rc == 0 && count == 1)
            rc = shout(client, worker, tasks);
        if (rc == FQ_ESTALELEASE) // somebody else has it by now
            rc = 0;
    }
    if (rc < 0)
        fprintf(stderr, "worker: %s\n", fq_client_error(client));
    fq_worker_close(worker);
    fq_client_close(client);
    return rc < 0 ? 1 : 0;
}
