// SPDX-License-Identifier: Apache-2.0
// A program for the end-to-end tests of the C client, against the installed kind of library.
//
//     client_load submit COUNT    submits COUNT tasks "load.noop" in batches of 500 and prints their ids
//     client_load spread COUNT    the same over 64 names, "spread.0" and so on
//     client_load call COUNT      calls add(i, 1) COUNT times, checks each result
//     client_load sleep MS        calls sleep_ms(MS)
//
// The control plane is $FASTQUEUE_CONTROL_PLANE_ADDRESS. Exit code 0 only if everything went as it should.
#include <fastqueue/client.h>
#include <fastqueue/payload.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 500, NAMES = 64 };

static int fail(const char *what, const fq_client *client) {
    fprintf(stderr, "client_load: %s: %s\n", what, fq_client_error(client));
    return 1;
}

static int submit(fq_client *client, size_t count, bool spreads) {
    static struct fq_client_task tasks[BATCH];
    static char ids[BATCH][37], names[NAMES][16];
    for (size_t i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof names[i], "spread.%zu", i);
    for (size_t i = 0; i < BATCH; i++)
        tasks[i] = (struct fq_client_task){
            .name = spreads ? names[i % NAMES] : "load.noop", .payload = "{}", .payload_len = 2};
    for (size_t done = 0; done < count; done += BATCH) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        if (fq_client_submit_many(client, tasks, batch, ids) < 0)
            return fail("submit", client);
        for (size_t i = 0; i < batch; i++)
            puts(ids[i]);
        fflush(stdout);
    }
    return 0;
}

static int call_one(fq_client *client, int number) {
    fq_payload *payload = fq_payload_new();
    const char *text;
    size_t len;
    fq_payload_add_int(payload, NULL, number);
    fq_payload_add_int(payload, "b", 1);
    if (fq_payload_text(payload, &text, &len) < 0)
        return 1;
    struct fq_task_result result;
    int rc = fq_client_call(client, "add", text, len, NULL, 60000, &result);
    fq_payload_free(payload);
    if (rc < 0)
        return fail("call", client);
    char expected[16];
    snprintf(expected, sizeof expected, "%d", number + 1);
    if (!result.has_result || result.result.len != strlen(expected) ||
        memcmp(result.result.ptr, expected, result.result.len) != 0) {
        fprintf(stderr, "client_load: add(%d, 1) is %.*s\n", number, (int)result.result.len,
                result.result.ptr);
        return 1;
    }
    struct fq_task_result status;
    if (fq_client_result(client, result.id, &status) < 0 || !status.has_result)
        return fail("result", client);
    puts(status.id);
    return 0;
}

static int call_sleep(fq_client *client, const char *ms) {
    char payload[64];
    int len = snprintf(payload, sizeof payload, "{\"args\":[%s],\"kwargs\":{}}", ms);
    struct fq_task_result result;
    if (fq_client_call(client, "sleep_ms", payload, (size_t)len, NULL, 60000, &result) < 0)
        return fail("call", client);
    printf("%.*s\n", (int)result.status.len, result.status.ptr);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 64;
    struct fq_client_options options;
    fq_client_options_init(&options);
    options.timeout_ms = 60000;
    bool spreads = strcmp(argv[1], "spread") == 0, submits = spreads || strcmp(argv[1], "submit") == 0;
    options.retries = submits ? 20 : 3; // the server is killed under submits
    options.name = "client_load";
    fq_client *client;
    char error[300];
    if (fq_client_open(&options, &client, error, sizeof error) < 0) {
        fprintf(stderr, "client_load: %s\n", error);
        return 69;
    }
    size_t count = strtoul(argv[2], NULL, 10);
    int rc = 0;
    if (submits)
        rc = submit(client, count, spreads);
    for (size_t i = 0; strcmp(argv[1], "call") == 0 && rc == 0 && i < count; i++)
        rc = call_one(client, (int)i);
    if (strcmp(argv[1], "sleep") == 0)
        rc = call_sleep(client, argv[2]);
    fq_client_close(client);
    return rc;
}
