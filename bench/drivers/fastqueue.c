// SPDX-License-Identifier: Apache-2.0
// FastQueue by its wire protocol, as a foreign client speaks it (--variant names the task): what is measured is the server, and its peers' drivers are made alike.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "resp.h"
#include "wire.h"

struct fastqueue {
    const struct setup *setup;
    struct wire wire;
    const char *task;
    char *payload;
    unsigned long salt; // of ids: a task that an earlier driver has called is another task
    long answers;       // to FQ.COMPLETE
};

enum {
    FETCH_MAX = 1000, // the server refuses to give more at once
    NAME_SIZE = 64
};

static size_t name_of(const struct fastqueue *self, long number, char *ret_name) {
    if (self->setup->names > 1)
        return (size_t)sprintf(ret_name, "bench.n%06ld", number % self->setup->names);
    return (size_t)snprintf(ret_name, NAME_SIZE, "%s", self->task);
}

// With many names a worker registers them once; with one it says it in each fetch.
static void *fastqueue_open(const struct setup *setup, bool worker) {
    struct fastqueue *self = calloc(1, sizeof *self);
    self->setup = setup;
    self->task = *setup->variant != 0 ? setup->variant : "bench.noop";
    if (strlen(self->task) >= NAME_SIZE)
        die("a task name of %zu bytes", strlen(self->task));
    self->salt = (unsigned long)(now_s() * 1e6);
    self->payload = payload_new(setup->bytes);
    wire_dial(&self->wire, setup->port);
    if (worker && setup->names > 1) {
        char name[NAME_SIZE];
        wire_print(&self->wire, "*%ld\r\n$11\r\nFQ.REGISTER\r\n$5\r\nbench\r\n$5\r\nTASKS\r\n",
                   setup->names + 3);
        for (long i = 0; i < setup->names; i++)
            resp_put(&self->wire, name, name_of(self, i, name));
        wire_flush(&self->wire);
        resp_skip(&self->wire);
    }
    return self;
}

static void fastqueue_close(void *opaque) {
    struct fastqueue *self = opaque;
    wire_close(&self->wire);
    free(self->payload);
    free(self);
}

static void submit_one(struct fastqueue *self, long number) {
    static const char *const priorities[] = {"critical", "high", "normal", "low"};
    const struct setup *setup = self->setup;
    char name[NAME_SIZE], delay[24];
    size_t len = name_of(self, number, name);
    payload_number(self->payload, number);
    wire_print(&self->wire, "*%d\r\n$9\r\nFQ.SUBMIT\r\n", 3 + 2 * (setup->mixed + (setup->delay_ms > 0)));
    resp_put(&self->wire, name, len);
    resp_put(&self->wire, self->payload, setup->bytes);
    if (setup->mixed) {
        resp_put_text(&self->wire, "PRIORITY");
        resp_put_text(&self->wire, priorities[number % 4]);
    }
    if (setup->delay_ms > 0) {
        sprintf(delay, "%ld", setup->delay_ms);
        resp_put_text(&self->wire, "DELAY");
        resp_put_text(&self->wire, delay);
    }
}

static long fastqueue_submit(void *opaque, long first, long n) {
    struct fastqueue *self = opaque;
    for (long i = first; i < first + n; i++)
        submit_one(self, i);
    wire_flush(&self->wire);
    return n;
}

static void fastqueue_confirm(void *opaque, long answers) {
    for (; answers > 0; answers--)
        resp_skip(&((struct fastqueue *)opaque)->wire);
}

static int fastqueue_fd(void *opaque) {
    return ((struct fastqueue *)opaque)->wire.fd;
}

static void answered(struct fastqueue *self) {
    for (; self->answers > 0; self->answers--)
        resp_skip(&self->wire);
}

// Reads one task, a list of pairs, and writes its FQ.COMPLETE, which goes out with what is written next.
static void take(struct fastqueue *self) {
    char id[64] = "", token[32] = "";
    size_t id_len = 0, token_len = 0;
    long items = resp_next(&self->wire).number;
    for (long i = 0; i < items; i += 2) {
        struct resp key = resp_next(&self->wire);
        bool is_id = key.len == 2 && memcmp(key.text, "id", 2) == 0;
        bool is_token = key.len == 5 && memcmp(key.text, "token", 5) == 0;
        if (!is_id && !is_token) {
            resp_skip(&self->wire);
            continue;
        }
        struct resp value = resp_next(&self->wire);
        if (value.len >= (is_id ? sizeof id : sizeof token))
            die("an id or a token of %zu bytes", value.len);
        memcpy(is_id ? id : token, value.text, value.len);
        *(is_id ? &id_len : &token_len) = value.len;
    }
    wire_literal(&self->wire, "*4\r\n$11\r\nFQ.COMPLETE\r\n");
    resp_put(&self->wire, id, id_len);
    resp_put(&self->wire, token, token_len);
    wire_literal(&self->wire, "$4\r\nnull\r\n");
    self->answers++;
}

static long fastqueue_work(void *opaque, long n) {
    struct fastqueue *self = opaque;
    bool registered = self->setup->names > 1;
    char count[24];
    sprintf(count, "%ld", n < FETCH_MAX ? n : FETCH_MAX);
    wire_literal(&self->wire, "*7\r\n$8\r\nFQ.FETCH\r\n");
    resp_put_text(&self->wire, registered ? "WORKER" : "TASKS");
    resp_put_text(&self->wire, registered ? "bench" : self->task);
    resp_put_text(&self->wire, "COUNT");
    resp_put_text(&self->wire, count);
    wire_literal(&self->wire, "$5\r\nBLOCK\r\n$4\r\n1000\r\n");
    wire_flush(&self->wire);
    answered(self);
    long tasks = resp_next(&self->wire).number;
    for (long i = 0; i < tasks; i++)
        take(self);
    return tasks > 0 ? tasks : 0;
}

static void fastqueue_settle(void *opaque) {
    struct fastqueue *self = opaque;
    wire_flush(&self->wire);
    answered(self);
}

// The submitter gives the id, so that submission and question go out together.
static void fastqueue_call(void *opaque, long number) {
    struct fastqueue *self = opaque;
    char id[40];
    sprintf(id, "%08lx-%04lx-4000-8000-%012lx", self->salt & 0xffffffff, self->salt >> 32 & 0xffff, number);
    payload_number(self->payload, number);
    wire_literal(&self->wire, "*5\r\n$9\r\nFQ.SUBMIT\r\n");
    resp_put_text(&self->wire, self->task);
    resp_put(&self->wire, self->payload, self->setup->bytes);
    wire_literal(&self->wire, "$2\r\nID\r\n");
    resp_put_text(&self->wire, id);
    wire_print(&self->wire, "*4\r\n$9\r\nFQ.RESULT\r\n$36\r\n%s\r\n$4\r\nWAIT\r\n$5\r\n10000\r\n", id);
    wire_flush(&self->wire);
    resp_skip(&self->wire);
    resp_skip(&self->wire);
}

static void fastqueue_serve(void *opaque) {
    struct fastqueue *self = opaque;
    while (fastqueue_work(self, 1) == 0)
        ;
    wire_flush(&self->wire);
}

int main(int argc, char **argv) {
    static const struct queue queue = {.name = "fastqueue",
                                       .open = fastqueue_open,
                                       .close = fastqueue_close,
                                       .submit = fastqueue_submit,
                                       .confirm = fastqueue_confirm,
                                       .fd = fastqueue_fd,
                                       .work = fastqueue_work,
                                       .settle = fastqueue_settle,
                                       .call = fastqueue_call,
                                       .serve = fastqueue_serve};
    return driver_main(&queue, argc, argv);
}
