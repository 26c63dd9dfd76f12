// SPDX-License-Identifier: Apache-2.0
// Redis as a queue, in the three ways it is used as one, named by --variant:
//
//   list      LPUSH of many, BLMPOP of many: what is taken is gone, a worker that dies loses it
//   reliable  LPUSH of many, LMOVE into a list of what is being worked on, LREM when done
//   stream    XADD, XREADGROUP of many, XACK and XDEL of many
//
// list-each and reliable-each send an LPUSH for each task, pipelined, as submitters do that know nothing of each other's tasks.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "resp.h"
#include "wire.h"

enum variant { LIST, RELIABLE, STREAM };

struct redis {
    const struct setup *setup;
    enum variant variant;
    bool each; // a command for each task
    struct wire wire;
    char *payload;
    long answers;    // to what finishes tasks
    char (*ids)[32]; // of stream entries that were taken and are not finished
    long id_count;
};

static void *redis_open(const struct setup *setup, bool worker) {
    struct redis *self = calloc(1, sizeof *self);
    self->setup = setup;
    self->each = strstr(setup->variant, "-each") != NULL || strcmp(setup->variant, "stream") == 0;
    self->variant = strncmp(setup->variant, "stream", 6) == 0     ? STREAM
                    : strncmp(setup->variant, "reliable", 8) == 0 ? RELIABLE
                                                                  : LIST;
    self->payload = payload_new(setup->bytes);
    self->ids = calloc((size_t)setup->batch, sizeof *self->ids);
    wire_dial(&self->wire, setup->port);
    if (worker && self->variant == STREAM) { // BUSYGROUP, when it is there already, is no harm
        wire_print(&self->wire, "XGROUP CREATE bench group 0 MKSTREAM\r\n");
        wire_flush(&self->wire);
        wire_line(&self->wire, NULL);
    }
    return self;
}

static void redis_close(void *opaque) {
    struct redis *self = opaque;
    wire_close(&self->wire);
    free(self->payload);
    free(self->ids);
    free(self);
}

static long redis_submit(void *opaque, long first, long n) {
    struct redis *self = opaque;
    if (!self->each)
        wire_print(&self->wire, "*%ld\r\n$5\r\nLPUSH\r\n$5\r\nbench\r\n", n + 2);
    for (long i = first; i < first + n; i++) {
        payload_number(self->payload, i);
        if (self->variant == STREAM)
            wire_literal(&self->wire, "*5\r\n$4\r\nXADD\r\n$5\r\nbench\r\n$1\r\n*\r\n$1\r\np\r\n");
        else if (self->each)
            wire_literal(&self->wire, "*3\r\n$5\r\nLPUSH\r\n$5\r\nbench\r\n");
        resp_put(&self->wire, self->payload, self->setup->bytes);
    }
    wire_flush(&self->wire);
    return self->each ? n : 1;
}

static void redis_confirm(void *opaque, long answers) {
    for (; answers > 0; answers--)
        resp_skip(&((struct redis *)opaque)->wire);
}

static int redis_fd(void *opaque) {
    return ((struct redis *)opaque)->wire.fd;
}

static void answered(struct redis *self) {
    for (; self->answers > 0; self->answers--)
        resp_skip(&self->wire);
}

static long list_work(struct redis *self, long n) {
    wire_print(&self->wire, "BLMPOP 0 1 bench RIGHT COUNT %ld\r\n", n);
    wire_flush(&self->wire);
    if (resp_next(&self->wire).number != 2)
        die("no BLMPOP reply");
    resp_skip(&self->wire); // the key
    return resp_skip(&self->wire);
}

static long reliable_work(struct redis *self, long n) {
    static const char move[] =
        "*5\r\n$5\r\nLMOVE\r\n$5\r\nbench\r\n$5\r\ntaken\r\n$5\r\nRIGHT\r\n$4\r\nLEFT\r\n";
    wire_print(&self->wire, "BLMOVE bench taken RIGHT LEFT 0\r\n");
    for (long i = 1; i < n; i++)
        wire_put(&self->wire, move, sizeof move - 1);
    wire_flush(&self->wire);
    answered(self);
    for (long i = 0; i < n; i++) {
        struct resp task = resp_next(&self->wire);
        if (task.number < 0)
            continue;
        wire_literal(&self->wire, "*4\r\n$4\r\nLREM\r\n$5\r\ntaken\r\n$2\r\n-1\r\n");
        resp_put(&self->wire, task.text, task.len);
        self->answers++;
    }
    return self->answers;
}

// XACK and XDEL of all that was taken.
static void stream_finish(struct redis *self) {
    if (self->id_count == 0)
        return;
    wire_print(&self->wire, "*%ld\r\n$4\r\nXACK\r\n$5\r\nbench\r\n$5\r\ngroup\r\n", self->id_count + 3);
    for (long i = 0; i < self->id_count; i++)
        resp_put_text(&self->wire, self->ids[i]);
    wire_print(&self->wire, "*%ld\r\n$4\r\nXDEL\r\n$5\r\nbench\r\n", self->id_count + 2);
    for (long i = 0; i < self->id_count; i++)
        resp_put_text(&self->wire, self->ids[i]);
    self->id_count = 0;
    self->answers = 2;
}

static long stream_work(struct redis *self, long n) {
    stream_finish(self);
    wire_print(&self->wire, "XREADGROUP GROUP group worker COUNT %ld BLOCK 0 STREAMS bench >\r\n", n);
    wire_flush(&self->wire);
    answered(self);
    resp_next(&self->wire); // one stream
    resp_next(&self->wire); // its name and its entries
    resp_next(&self->wire);
    long entries = resp_next(&self->wire).number;
    for (long i = 0; i < entries; i++) {
        resp_next(&self->wire); // id and fields
        struct resp id = resp_next(&self->wire);
        if (id.len >= sizeof *self->ids)
            die("an id of %zu bytes", id.len);
        memcpy(self->ids[i], id.text, id.len);
        self->ids[i][id.len] = 0;
        resp_skip(&self->wire);
    }
    return self->id_count = entries;
}

static long redis_work(void *opaque, long n) {
    struct redis *self = opaque;
    return self->variant == LIST       ? list_work(self, n)
           : self->variant == RELIABLE ? reliable_work(self, n)
                                       : stream_work(self, n);
}

static void redis_settle(void *opaque) {
    struct redis *self = opaque;
    stream_finish(self);
    wire_flush(&self->wire);
    answered(self);
}

static void redis_call(void *opaque, long number) {
    struct redis *self = opaque;
    redis_submit(self, number, 1);
    wire_print(&self->wire, "BRPOP reply 0\r\n");
    wire_flush(&self->wire);
    resp_skip(&self->wire);
    resp_skip(&self->wire);
}

static void redis_serve(void *opaque) {
    struct redis *self = opaque;
    if (redis_work(self, 1) != 1)
        die("no task");
    stream_finish(self);
    wire_print(&self->wire, "LPUSH reply null\r\n");
    self->answers++;
    wire_flush(&self->wire);
    if (self->variant == LIST)
        answered(self);
}

int main(int argc, char **argv) {
    static const struct queue queue = {.name = "redis",
                                       .open = redis_open,
                                       .close = redis_close,
                                       .submit = redis_submit,
                                       .confirm = redis_confirm,
                                       .fd = redis_fd,
                                       .work = redis_work,
                                       .settle = redis_settle,
                                       .call = redis_call,
                                       .serve = redis_serve};
    return driver_main(&queue, argc, argv);
}
