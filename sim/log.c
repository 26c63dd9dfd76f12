// SPDX-License-Identifier: Apache-2.0
#include "sim/log.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct message {
    char *bytes;
    size_t len;
};

struct part {
    struct message *messages; // of numbers from first_seq on
    size_t count, capacity;
    uint64_t first_seq;
};

struct sim_log {
    struct sim_log_config config;
    struct part parts[FQ_STREAM_PARTS];
    fq_buf registers[FQ_STREAM_REGISTERS];
    uint64_t revisions[FQ_STREAM_REGISTERS], revision;
    // A publication that is under way though its sender has given up.
    bool is_delayed;
    enum fq_stream_part delayed_part;
    uint64_t delayed_seq;
    fq_buf delayed;
    int handles;
};

struct handle {
    fq_stream base;
    sim_log *log;
};

static sim_log *log_of(fq_stream *stream) {
    return ((struct handle *)stream)->log;
}

static uint64_t last_of(const struct part *part) {
    return part->first_seq + part->count - 1;
}

static int append(struct part *part, fq_str bytes) {
    if (part->count == part->capacity) {
        size_t capacity = part->capacity * 2 + 16;
        struct message *messages = realloc(part->messages, capacity * sizeof *messages);
        if (messages == NULL)
            return FQ_ENOMEM;
        part->messages = messages;
        part->capacity = capacity;
    }
    char *copy = malloc(bytes.len + 1);
    if (copy == NULL)
        return FQ_ENOMEM;
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    part->messages[part->count++] = (struct message){copy, bytes.len};
    return 0;
}

static void deliver_delayed(sim_log *log) {
    if (!log->is_delayed)
        return;
    log->is_delayed = false;
    struct part *part = &log->parts[log->delayed_part];
    if (last_of(part) == log->delayed_seq)
        (void)append(part, fq_buf_str(&log->delayed));
}

// What is to be answered instead of doing it; 0: it is to be done, and then `*ret_answers` says whether that is told.
static int decide(fq_stream *stream, enum sim_log_call call, enum fq_stream_part part, bool *ret_answers) {
    sim_log *log = log_of(stream);
    enum sim_log_fate fate =
        log->config.fate != NULL ? log->config.fate(log->config.context, call, part) : SIM_LOG_DONE;
    *ret_answers = fate == SIM_LOG_DONE;
    if (fate == SIM_LOG_DONE)
        deliver_delayed(log);
    snprintf(stream->error, sizeof stream->error, "%s",
             fate == SIM_LOG_FULL     ? "insufficient resources"
             : fate == SIM_LOG_BROKEN ? "not allowed"
                                      : "no answer");
    switch (fate) {
    case SIM_LOG_LOST: return FQ_EAGAIN;
    case SIM_LOG_FULL: return FQ_EFULL;
    case SIM_LOG_BROKEN: return FQ_EIO;
    case SIM_LOG_UNDER_WAY: return FQ_ELOCKED;
    default: return fate == SIM_LOG_DELAYED ? 1 : 0;
    }
}

static int log_facts(fq_stream *stream, enum fq_stream_part which, struct fq_stream_facts *ret_facts) {
    bool answers;
    int result = decide(stream, SIM_LOG_FACTS, which, &answers);
    if (result != 0 || !answers)
        return result < 0 ? result : FQ_EAGAIN;
    const struct part *part = &log_of(stream)->parts[which];
    *ret_facts = (struct fq_stream_facts){
        .first_seq = part->first_seq, .last_seq = last_of(part), .bytes_max = UINT64_MAX};
    for (size_t i = 0; i < part->count; i++)
        ret_facts->bytes += part->messages[i].len;
    return 0;
}

static int delay(sim_log *log, enum fq_stream_part which, uint64_t last_seq, fq_str bytes) {
    fq_buf_clear(&log->delayed);
    if (fq_buf_append_str(&log->delayed, bytes) < 0)
        return FQ_ENOMEM;
    log->is_delayed = true;
    log->delayed_part = which;
    log->delayed_seq = last_seq;
    return FQ_EAGAIN;
}

static int log_publish(fq_stream *stream, enum fq_stream_part which, uint64_t last_seq, fq_str bytes) {
    sim_log *log = log_of(stream);
    if (bytes.len > stream->message_bytes_max) {
        snprintf(stream->error, sizeof stream->error, "the message is too large");
        return FQ_ETOOBIG;
    }
    bool answers;
    int result = decide(stream, SIM_LOG_PUBLISH, which, &answers);
    if (result > 0)
        return delay(log, which, last_seq, bytes);
    if (result < 0)
        return result;
    struct part *part = &log->parts[which];
    if (last_of(part) != last_seq) {
        snprintf(stream->error, sizeof stream->error, "wrong last sequence: %" PRIu64, last_of(part));
        result = FQ_ELOCKED;
    } else {
        result = append(part, bytes);
    }
    return answers || result == FQ_ENOMEM ? result : FQ_EAGAIN;
}

static int log_read(fq_stream *stream, enum fq_stream_part which, uint64_t from, uint64_t to,
                    int (*on_message)(void *context, uint64_t seq, fq_str bytes), void *context) {
    bool answers;
    int result = decide(stream, SIM_LOG_READ, which, &answers);
    if (result != 0 || !answers)
        return result < 0 ? result : FQ_EAGAIN;
    const struct part *part = &log_of(stream)->parts[which];
    for (uint64_t seq = from; seq <= to; seq++) {
        if (seq < part->first_seq || seq > last_of(part)) {
            snprintf(stream->error, sizeof stream->error, "message %" PRIu64 " is not there", seq);
            return FQ_ECORRUPT;
        }
        const struct message *message = &part->messages[seq - part->first_seq];
        result = on_message(context, seq, (fq_str){message->bytes, message->len});
        if (result < 0)
            return result;
    }
    return 0;
}

static void drop_front(struct part *part, uint64_t seq) {
    size_t gone = seq <= part->first_seq ? 0 : (size_t)(seq - part->first_seq);
    if (gone > part->count)
        gone = part->count;
    for (size_t i = 0; i < gone; i++)
        free(part->messages[i].bytes);
    memmove(part->messages, part->messages + gone, (part->count - gone) * sizeof *part->messages);
    part->count -= gone;
    part->first_seq += gone;
}

static int log_purge(fq_stream *stream, enum fq_stream_part which, uint64_t seq) {
    bool answers;
    int result = decide(stream, SIM_LOG_PURGE, which, &answers);
    if (result != 0)
        return result < 0 ? result : FQ_EAGAIN;
    struct part *part = &log_of(stream)->parts[which];
    if (part->count > 0)
        drop_front(part, seq);
    return answers ? 0 : FQ_EAGAIN;
}

static int log_get(fq_stream *stream, enum fq_stream_register which, fq_buf *ret_value,
                   uint64_t *ret_revision) {
    sim_log *log = log_of(stream);
    bool answers;
    int result = decide(stream, SIM_LOG_GET, FQ_STREAM_LOG, &answers);
    if (result != 0 || !answers)
        return result < 0 ? result : FQ_EAGAIN;
    *ret_revision = log->revisions[which];
    return fq_buf_append_str(ret_value, fq_buf_str(&log->registers[which]));
}

static int log_put(fq_stream *stream, enum fq_stream_register which, fq_str value, uint64_t revision,
                   uint64_t *ret_revision) {
    sim_log *log = log_of(stream);
    bool answers;
    int result = decide(stream, SIM_LOG_PUT, FQ_STREAM_LOG, &answers);
    if (result != 0)
        return result < 0 ? result : FQ_EAGAIN;
    if (log->revisions[which] != revision) {
        snprintf(stream->error, sizeof stream->error, "wrong last sequence: %" PRIu64, log->revisions[which]);
        return answers ? FQ_ELOCKED : FQ_EAGAIN;
    }
    result = sim_log_set_register(log, which, value);
    if (result == 0)
        *ret_revision = log->revisions[which];
    return result < 0 || answers ? result : FQ_EAGAIN;
}

static fq_stream *log_close(fq_stream *stream) {
    log_of(stream)->handles--;
    free(stream);
    return NULL;
}

sim_log *sim_log_new(const struct sim_log_config *config) {
    sim_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return NULL;
    log->config = *config;
    if (log->config.message_bytes_max == 0)
        log->config.message_bytes_max = 1 << 20;
    for (int part = 0; part < FQ_STREAM_PARTS; part++)
        log->parts[part].first_seq = 1;
    return log;
}

sim_log *sim_log_free(sim_log *log) {
    if (log == NULL)
        return NULL;
    FQ_ASSERT(log->handles == 0);
    for (int part = 0; part < FQ_STREAM_PARTS; part++) {
        sim_log_truncate(log, (enum fq_stream_part)part, 0);
        free(log->parts[part].messages);
    }
    for (int which = 0; which < FQ_STREAM_REGISTERS; which++)
        fq_buf_done(&log->registers[which]);
    fq_buf_done(&log->delayed);
    free(log);
    return NULL;
}

fq_stream *sim_log_open(sim_log *log) {
    static const struct fq_stream_ops ops = {
        .facts = log_facts,
        .publish = log_publish,
        .read = log_read,
        .purge = log_purge,
        .get = log_get,
        .put = log_put,
        .close = log_close,
    };
    struct handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL)
        return NULL;
    handle->base.ops = &ops;
    handle->base.message_bytes_max = log->config.message_bytes_max;
    handle->log = log;
    log->handles++;
    return &handle->base;
}

uint64_t sim_log_first(const sim_log *log, enum fq_stream_part part) {
    return log->parts[part].first_seq;
}

uint64_t sim_log_last(const sim_log *log, enum fq_stream_part part) {
    return last_of(&log->parts[part]);
}

char *sim_log_message(sim_log *log, enum fq_stream_part which, uint64_t seq, size_t *ret_len) {
    struct part *part = &log->parts[which];
    if (seq < part->first_seq || seq > last_of(part))
        return NULL;
    struct message *message = &part->messages[seq - part->first_seq];
    *ret_len = message->len;
    return message->bytes;
}

void sim_log_truncate(sim_log *log, enum fq_stream_part which, uint64_t seq) {
    struct part *part = &log->parts[which];
    while (part->count > 0 && last_of(part) > seq)
        free(part->messages[--part->count].bytes);
}

int sim_log_set_register(sim_log *log, enum fq_stream_register which, fq_str value) {
    fq_buf_clear(&log->registers[which]);
    int result = fq_buf_append_str(&log->registers[which], value);
    if (result == 0)
        log->revisions[which] = value.len > 0 ? ++log->revision : 0;
    return result;
}
