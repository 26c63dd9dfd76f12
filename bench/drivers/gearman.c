// SPDX-License-Identifier: Apache-2.0
// gearmand, binary protocol: background jobs for throughput, a foreground job for its result.
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "wire.h"

enum packet {
    CAN_DO = 1,
    PRE_SLEEP = 4,
    NOOP = 6,
    SUBMIT_JOB = 7,
    JOB_CREATED = 8,
    GRAB_JOB = 9,
    NO_JOB = 10,
    JOB_ASSIGN = 11,
    WORK_COMPLETE = 13,
    ECHO_REQ = 16,
    ECHO_RES = 17,
    SUBMIT_JOB_BG = 18,
};

static const char function[] = "bench"; // its ending zero separates it from what follows

struct gearman {
    const struct setup *setup;
    struct wire wire;
    char *payload;
};

static void packet(struct gearman *self, enum packet type, size_t len) {
    struct {
        char magic[4];
        uint32_t type, len;
    } head = {
        {0, 'R', 'E', 'Q'},
        htonl(type), htonl((uint32_t)len)
    };
    wire_put(&self->wire, &head, sizeof head);
}

// The next packet that is no NOOP, or with `noop` the next of all; its data are borrowed.
static enum packet answer(struct gearman *self, bool noop, char **ret_data, size_t *ret_len) {
    for (;;) {
        uint32_t words[3];
        memcpy(words, wire_take(&self->wire, sizeof words), sizeof words);
        *ret_len = ntohl(words[2]);
        *ret_data = wire_take(&self->wire, *ret_len);
        if (noop || ntohl(words[1]) != NOOP)
            return ntohl(words[1]);
    }
}

static void expect(struct gearman *self, enum packet type) {
    char *data;
    size_t len;
    enum packet got = answer(self, type == NOOP, &data, &len);
    if (got != type)
        die("gearmand sent packet %d instead of %d", (int)got, (int)type);
}

static void *gearman_open(const struct setup *setup, bool worker) {
    struct gearman *self = calloc(1, sizeof *self);
    self->setup = setup;
    self->payload = payload_new(setup->bytes);
    wire_dial(&self->wire, setup->port);
    if (worker) {
        packet(self, CAN_DO, sizeof function - 1);
        wire_put(&self->wire, function, sizeof function - 1);
    }
    return self;
}

static void job(struct gearman *self, enum packet type, long number) {
    payload_number(self->payload, number);
    packet(self, type, sizeof function + 1 + self->setup->bytes);
    wire_put(&self->wire, function, sizeof function);
    wire_put(&self->wire, "", 1); // no unique key
    wire_put(&self->wire, self->payload, self->setup->bytes);
}

static void gearman_close(void *opaque) {
    struct gearman *self = opaque;
    wire_close(&self->wire);
    free(self->payload);
    free(self);
}

static long gearman_submit(void *opaque, long first, long n) {
    struct gearman *self = opaque;
    for (long i = first; i < first + n; i++)
        job(self, SUBMIT_JOB_BG, i);
    wire_flush(&self->wire);
    return n;
}

static void gearman_confirm(void *opaque, long answers) {
    for (; answers > 0; answers--)
        expect(opaque, JOB_CREATED);
}

static int gearman_fd(void *opaque) {
    return ((struct gearman *)opaque)->wire.fd;
}

// Takes what was asked for and writes each job's end, which goes out with what is written next.
static long taken(struct gearman *self, long n) {
    long jobs = 0;
    for (; n > 0; n--) {
        char *data;
        size_t len;
        enum packet type = answer(self, false, &data, &len);
        if (type == NO_JOB)
            continue;
        if (type != JOB_ASSIGN)
            die("gearmand sent packet %d for a job", (int)type);
        size_t handle = strnlen(data, len) + 1;
        packet(self, WORK_COMPLETE, handle + 4);
        wire_put(&self->wire, data, handle);
        wire_literal(&self->wire, "null");
        jobs++;
    }
    return jobs;
}

static long gearman_work(void *opaque, long n) {
    struct gearman *self = opaque;
    for (long i = 0; i < n; i++)
        packet(self, GRAB_JOB, 0);
    wire_flush(&self->wire);
    long jobs = taken(self, n);
    if (jobs == 0) {
        packet(self, PRE_SLEEP, 0);
        wire_flush(&self->wire);
        expect(self, NOOP);
    }
    return jobs;
}

static void gearman_settle(void *opaque) {
    struct gearman *self = opaque;
    packet(self, ECHO_REQ, 1);
    wire_literal(&self->wire, "x");
    wire_flush(&self->wire);
    expect(self, ECHO_RES);
}

static void gearman_call(void *opaque, long number) {
    struct gearman *self = opaque;
    job(self, SUBMIT_JOB, number);
    wire_flush(&self->wire);
    expect(self, JOB_CREATED);
    expect(self, WORK_COMPLETE);
}

static void gearman_serve(void *opaque) {
    struct gearman *self = opaque;
    for (long jobs = 0; jobs == 0;)
        jobs = gearman_work(self, 1);
    wire_flush(&self->wire);
}

int main(int argc, char **argv) {
    static const struct queue queue = {.name = "gearmand",
                                       .open = gearman_open,
                                       .close = gearman_close,
                                       .submit = gearman_submit,
                                       .confirm = gearman_confirm,
                                       .fd = gearman_fd,
                                       .work = gearman_work,
                                       .settle = gearman_settle,
                                       .call = gearman_call,
                                       .serve = gearman_serve};
    return driver_main(&queue, argc, argv);
}
