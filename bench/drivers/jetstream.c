// SPDX-License-Identifier: Apache-2.0
// NATS JetStream by its own C library: a work-queue stream, publications with a window, fetches of a pull consumer, explicit acknowledgement.
// --variant file or memory names the stream's storage. Results go by a plain subject.
#include <nats/nats.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"
#include "wire.h"

enum { WAIT_MS = 1000, PATIENCE_MS = 60000 };

struct jetstream {
    const struct setup *setup;
    natsConnection *connection;
    jsCtx *js;
    natsSubscription *tasks, *replies;
    char *payload;
};

static void check(natsStatus status, const char *what) {
    if (status != NATS_OK)
        die("%s: %s", what, natsStatus_GetText(status));
}

static void *jetstream_open(const struct setup *setup, bool worker) {
    struct jetstream *self = calloc(1, sizeof *self);
    natsOptions *options;
    jsOptions js_options;
    jsStreamConfig stream;
    const char *subject = "bench";
    char url[64];
    self->setup = setup;
    self->payload = payload_new(setup->bytes);
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", setup->port);
    check(natsOptions_Create(&options), "options");
    check(natsOptions_SetURL(options, url), "url");
    if (setup->batch < 2)
        check(natsOptions_SetSendAsap(options, true), "options");
    check(natsConnection_Connect(&self->connection, options), "connect");
    natsOptions_Destroy(options);
    jsOptions_Init(&js_options);
    js_options.PublishAsync.MaxPending = setup->batch;
    check(natsConnection_JetStream(&self->js, self->connection, &js_options), "jetstream");
    jsStreamConfig_Init(&stream);
    stream.Name = "bench";
    stream.Subjects = &subject;
    stream.SubjectsLen = 1;
    stream.Retention = js_WorkQueuePolicy;
    stream.Storage = strcmp(setup->variant, "file") == 0 ? js_FileStorage : js_MemoryStorage;
    natsStatus added = js_AddStream(NULL, self->js, &stream, NULL, NULL);
    for (int tries = 0; added != NATS_OK && tries < 50;
         tries++) { // submitter and worker may both be adding it
        usleep(20000);
        added = js_AddStream(NULL, self->js, &stream, NULL, NULL);
    }
    check(added, "stream");
    if (worker) {
        jsSubOptions sub;
        jsSubOptions_Init(&sub);
        sub.Config.AckPolicy = js_AckExplicit;
        sub.Config.MaxAckPending = 100000;
        check(js_PullSubscribe(&self->tasks, self->js, subject, "worker", NULL, &sub, NULL), "pull");
    } else {
        check(natsConnection_SubscribeSync(&self->replies, self->connection, "reply"), "subscribe");
        check(natsConnection_Flush(self->connection), "flush");
    }
    return self;
}

// The connection goes first, so that the server is told of nothing more and keeps the consumer.
static void jetstream_close(void *opaque) {
    struct jetstream *self = opaque;
    natsConnection_Close(self->connection);
    natsSubscription_Destroy(self->tasks);
    natsSubscription_Destroy(self->replies);
    jsCtx_Destroy(self->js);
    natsConnection_Destroy(self->connection);
    free(self->payload);
    free(self);
}

static long jetstream_submit(void *opaque, long first, long n) {
    struct jetstream *self = opaque;
    int bytes = (int)self->setup->bytes;
    for (long i = first; i < first + n; i++) {
        payload_number(self->payload, i);
        if (self->setup->batch < 2)
            check(js_Publish(NULL, self->js, "bench", self->payload, bytes, NULL, NULL), "publish");
        else
            check(js_PublishAsync(self->js, "bench", self->payload, bytes, NULL), "publish");
    }
    if (self->setup->batch > 1 && first + n == self->setup->count)
        check(js_PublishAsyncComplete(self->js, NULL), "publications");
    return n;
}

// The library counts what is unanswered, and stalls at the window; the last submission waits for all.
static void jetstream_confirm(void *opaque, long answers) {
    (void)opaque, (void)answers;
}

static long jetstream_work(void *opaque, long n) {
    struct jetstream *self = opaque;
    natsMsgList list;
    natsStatus status = natsSubscription_Fetch(&list, self->tasks, (int)n, WAIT_MS, NULL);
    if (status == NATS_TIMEOUT)
        return 0;
    check(status, "fetch");
    for (int i = 0; i < list.Count; i++)
        check(natsMsg_Ack(list.Msgs[i], NULL), "acknowledgement");
    int taken = list.Count;
    natsMsgList_Destroy(&list);
    return taken;
}

static void jetstream_settle(void *opaque) {
    struct jetstream *self = opaque;
    check(natsConnection_FlushTimeout(self->connection, PATIENCE_MS), "flush");
    for (int64_t unheard = 1; unheard > 0;) {
        jsConsumerInfo *info;
        check(js_GetConsumerInfo(&info, self->js, "bench", "worker", NULL, NULL), "consumer");
        unheard = info->NumAckPending;
        jsConsumerInfo_Destroy(info);
        usleep(unheard > 0 ? 1000 : 0);
    }
}

static void jetstream_call(void *opaque, long number) {
    struct jetstream *self = opaque;
    natsMsg *reply;
    payload_number(self->payload, number);
    check(js_PublishAsync(self->js, "bench", self->payload, (int)self->setup->bytes, NULL), "publish");
    check(natsSubscription_NextMsg(&reply, self->replies, PATIENCE_MS), "reply");
    natsMsg_Destroy(reply);
}

static void jetstream_serve(void *opaque) {
    struct jetstream *self = opaque;
    while (jetstream_work(self, 1) == 0)
        ;
    check(natsConnection_PublishString(self->connection, "reply", "null"), "reply");
}

int main(int argc, char **argv) {
    static const struct queue queue = {.name = "jetstream",
                                       .open = jetstream_open,
                                       .close = jetstream_close,
                                       .submit = jetstream_submit,
                                       .confirm = jetstream_confirm,
                                       .fd = NULL,
                                       .work = jetstream_work,
                                       .settle = jetstream_settle,
                                       .call = jetstream_call,
                                       .serve = jetstream_serve};
    return driver_main(&queue, argc, argv);
}
