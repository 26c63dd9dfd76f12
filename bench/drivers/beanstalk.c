// SPDX-License-Identifier: Apache-2.0
// beanstalkd: one tube, `put`, `reserve` and `delete` pipelined. Results go by a tube of their own.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "wire.h"

struct beanstalk {
    const struct setup *setup;
    struct wire wire;
    char *payload;
    long answers; // to `delete` and to results, sent or to be sent
};

static void expect(struct beanstalk *self, const char *word) {
    const char *line = wire_line(&self->wire, NULL);
    if (strncmp(line, word, strlen(word)) != 0)
        die("beanstalkd said %s instead of %s", line, word);
}

static void *beanstalk_open(const struct setup *setup, bool worker) {
    struct beanstalk *self = calloc(1, sizeof *self);
    self->setup = setup;
    self->payload = payload_new(setup->bytes);
    wire_dial(&self->wire, setup->port);
    wire_print(&self->wire, "use %s\r\nwatch %s\r\nignore default\r\n", worker ? "reply" : "bench",
               worker ? "bench" : "reply");
    wire_flush(&self->wire);
    expect(self, "USING");
    expect(self, "WATCHING");
    expect(self, "WATCHING");
    return self;
}

static void beanstalk_close(void *opaque) {
    struct beanstalk *self = opaque;
    wire_close(&self->wire);
    free(self->payload);
    free(self);
}

static long beanstalk_submit(void *opaque, long first, long n) {
    struct beanstalk *self = opaque;
    const struct setup *setup = self->setup;
    for (long i = first; i < first + n; i++) {
        payload_number(self->payload, i);
        wire_print(&self->wire, "put %ld %ld 120 %zu\r\n", setup->mixed ? i % 4 : 1, setup->delay_ms / 1000,
                   setup->bytes);
        wire_put(&self->wire, self->payload, setup->bytes);
        wire_literal(&self->wire, "\r\n");
    }
    wire_flush(&self->wire);
    return n;
}

static void beanstalk_confirm(void *opaque, long answers) {
    for (; answers > 0; answers--)
        expect(opaque, "INSERTED");
}

static int beanstalk_fd(void *opaque) {
    return ((struct beanstalk *)opaque)->wire.fd;
}

// Reads a reserved job and writes its `delete`, which goes out with what is written next.
static void take(struct beanstalk *self) {
    long id;
    size_t bytes;
    const char *line = wire_line(&self->wire, NULL);
    if (sscanf(line, "RESERVED %ld %zu", &id, &bytes) != 2)
        die("beanstalkd said %s instead of RESERVED", line);
    wire_take(&self->wire, bytes + 2);
    wire_print(&self->wire, "delete %ld\r\n", id);
}

static void answered(struct beanstalk *self) {
    for (; self->answers > 0; self->answers--) {
        const char *line = wire_line(&self->wire, NULL);
        if (strncmp(line, "DELETED", 7) != 0 && strncmp(line, "INSERTED", 8) != 0)
            die("beanstalkd said %s", line);
    }
}

static long beanstalk_work(void *opaque, long n) {
    struct beanstalk *self = opaque;
    for (long i = 0; i < n; i++)
        wire_literal(&self->wire, "reserve\r\n");
    wire_flush(&self->wire);
    answered(self);
    for (long i = 0; i < n; i++)
        take(self);
    self->answers = n;
    return n;
}

static void beanstalk_settle(void *opaque) {
    struct beanstalk *self = opaque;
    wire_flush(&self->wire);
    answered(self);
}

static void beanstalk_call(void *opaque, long number) {
    struct beanstalk *self = opaque;
    payload_number(self->payload, number);
    wire_print(&self->wire, "put 1 0 120 %zu\r\n%s\r\nreserve\r\n", self->setup->bytes, self->payload);
    wire_flush(&self->wire);
    answered(self);
    expect(self, "INSERTED");
    take(self);
    self->answers = 1;
}

static void beanstalk_serve(void *opaque) {
    struct beanstalk *self = opaque;
    wire_literal(&self->wire, "reserve\r\n");
    wire_flush(&self->wire);
    answered(self);
    take(self);
    wire_literal(&self->wire, "put 1 0 120 4\r\nnull\r\n");
    self->answers = 2;
    wire_flush(&self->wire);
}

int main(int argc, char **argv) {
    static const struct queue queue = {.name = "beanstalkd",
                                       .open = beanstalk_open,
                                       .close = beanstalk_close,
                                       .submit = beanstalk_submit,
                                       .confirm = beanstalk_confirm,
                                       .fd = beanstalk_fd,
                                       .work = beanstalk_work,
                                       .settle = beanstalk_settle,
                                       .call = beanstalk_call,
                                       .serve = beanstalk_serve};
    return driver_main(&queue, argc, argv);
}
