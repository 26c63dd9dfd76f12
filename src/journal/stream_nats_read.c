// SPDX-License-Identifier: Apache-2.0
// Reading messages: one by its number, or a range by a subscription that sends them in order. That of the log is kept, for who follows
// asks for the next ones soon.
#include "journal/stream_nats_state.h"

#include <inttypes.h>
#include <stdio.h>

static int read_one(struct fq_nats *nats, enum fq_stream_part part, uint64_t seq,
                    int (*on_message)(void *context, uint64_t seq, fq_str bytes), void *context) {
    char name[FQ_NATS_SUBJECT_MAX];
    fq_nats_stream_name(nats, part, name);
    natsMsg *message = NULL;
    jsErrCode code = 0;
    natsStatus status = js_GetMsg(&message, nats->js, name, seq, NULL, &code);
    int result = fq_nats_told(nats, "reading a message", status, code);
    if (result == 0)
        result = on_message(context, seq,
                            (fq_str){natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message)});
    natsMsg_Destroy(message);
    return result;
}

// Takes the next message of a subscription, which must be `seq`. FQ_ESYNTAX: it is another.
static int take_next(struct fq_nats *nats, natsSubscription *subscription, uint64_t seq,
                     int (*on_message)(void *context, uint64_t seq, fq_str bytes), void *context) {
    natsMsg *message = NULL;
    int result = fq_nats_told(nats, "reading the log",
                              natsSubscription_NextMsg(&message, subscription, nats->options.answer_ms), 0);
    jsMsgMetaData *facts = NULL;
    if (result == 0)
        result = fq_nats_told(nats, "reading the log", natsMsg_GetMetaData(&facts, message), 0);
    if (result == 0 && facts->Sequence.Stream != seq) {
        snprintf(nats->base.error, sizeof nats->base.error,
                 "message %" PRIu64 " follows where %" PRIu64 " should", facts->Sequence.Stream, seq);
        result = FQ_ESYNTAX;
    }
    if (result == 0)
        result = on_message(context, seq,
                            (fq_str){natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message)});
    jsMsgMetaData_Destroy(facts);
    natsMsg_Destroy(message);
    return result;
}

// The library's reading thread may hold a subscription that it is giving a message to, without a reference: it may be freed only when that thread
// has passed everything that was sent before the end of the subscription, which the answer to a ping says.
static void end_subscription(struct fq_nats *nats, natsSubscription *subscription) {
    if (subscription == NULL)
        return;
    (void)natsSubscription_Unsubscribe(subscription);
    if (natsConnection_FlushTimeout(nats->connection, nats->options.answer_ms) == NATS_OK) {
        natsSubscription_Destroy(subscription);
        return;
    }
    if (nats->retired_count < FQ_NATS_RETIRED_MAX) // until the connection and its thread are gone
        nats->retired[nats->retired_count++] = subscription;
}

void fq_nats_end_tail(struct fq_nats *nats) {
    end_subscription(nats, nats->tail);
    nats->tail = NULL;
}

static int subscribe(struct fq_nats *nats, enum fq_stream_part part, uint64_t from,
                     natsSubscription **ret_subscription) {
    char name[FQ_NATS_SUBJECT_MAX], subject[FQ_NATS_SUBJECT_MAX];
    fq_nats_stream_name(nats, part, name);
    fq_nats_subject(nats, part, subject);
    jsSubOptions options;
    jsSubOptions_Init(&options);
    options.Stream = name;
    options.Ordered = true;
    options.Config.DeliverPolicy = js_DeliverByStartSequence;
    options.Config.OptStartSeq = from;
    natsSubscription *subscription = NULL;
    jsErrCode code = 0;
    natsStatus status = js_SubscribeSync(&subscription, nats->js, subject, NULL, &options, &code);
    if (status == NATS_OK)
        status = natsSubscription_SetPendingLimits(subscription, -1, -1);
    int result = fq_nats_told(nats, "reading the log", status, code);
    if (result == 0)
        *ret_subscription = subscription;
    else
        end_subscription(nats, subscription);
    return result;
}

static int take_range(struct fq_nats *nats, natsSubscription *subscription, uint64_t from, uint64_t to,
                      int (*on_message)(void *context, uint64_t seq, fq_str bytes), void *context) {
    int result = 0;
    for (uint64_t seq = from; result == 0 && seq <= to; seq++)
        result = take_next(nats, subscription, seq, on_message, context);
    return result;
}

static int read_range(struct fq_nats *nats, enum fq_stream_part part, uint64_t from, uint64_t to,
                      int (*on_message)(void *context, uint64_t seq, fq_str bytes), void *context) {
    natsSubscription *subscription = NULL;
    int result = subscribe(nats, part, from, &subscription);
    if (result < 0)
        return result;
    result = take_range(nats, subscription, from, to, on_message, context);
    if (result == 0 && part == FQ_STREAM_LOG) {
        nats->tail = subscription;
        nats->tail_seq = to + 1;
        return 0;
    }
    end_subscription(nats, subscription);
    return result == FQ_ESYNTAX ? FQ_ECORRUPT : result;
}

// What a kept subscription skips may have been lost on the way: it is asked for anew before anything is believed.
static int read_tail(struct fq_nats *nats, uint64_t from, uint64_t to,
                     int (*on_message)(void *context, uint64_t seq, fq_str bytes), void *context) {
    int result = take_range(nats, nats->tail, from, to, on_message, context);
    nats->tail_seq = to + 1;
    if (result < 0)
        fq_nats_end_tail(nats);
    return result == FQ_ESYNTAX ? FQ_EAGAIN : result;
}

int fq_nats_read(fq_stream *stream, enum fq_stream_part part, uint64_t from, uint64_t to,
                 int (*on_message)(void *context, uint64_t seq, fq_str bytes), void *context) {
    struct fq_nats *nats = (struct fq_nats *)stream;
    fq_nats_begin(nats, FQ_NATS_READ);
    if (part == FQ_STREAM_LOG && nats->tail != NULL && from == nats->tail_seq)
        return read_tail(nats, from, to, on_message, context);
    if (part == FQ_STREAM_LOG && from != to)
        fq_nats_end_tail(nats);
    if (from == to)
        return read_one(nats, part, from, on_message, context);
    return read_range(nats, part, from, to, on_message, context);
}
