// SPDX-License-Identifier: Apache-2.0
// Records that came when the exporter's queue had no room and that nobody keeps any more: the last of runners that died, and
// the spans that were ended in their place. They wait here, bounded, and go first when there is room.
#include "net/clock.h"
#include "worker/telemetry_state.h"

#include <stdlib.h>

enum { BACKLOG_BYTES_MAX = 4 * 1024 * 1024, FLUSH_SLICE_MS = 20 };

struct entry {
    uint32_t len, type;
};

static bool is_empty(const struct fq_backlog *backlog) {
    return backlog->begin == backlog->len;
}

static bool has_room_for(const struct fq_worker_telemetry *telemetry, uint32_t type) {
    enum otel_signal signal = type == OTEL_RECORD_SPAN ? OTEL_SIGNAL_TRACES : OTEL_SIGNAL_LOGS;
    return otel_sdk_has_room(telemetry->sdk, signal) || !otel_sdk_has_exporter(telemetry->sdk, signal);
}

static bool grow(struct fq_backlog *backlog, size_t more) {
    if (backlog->begin > 0) {
        memmove(backlog->bytes, backlog->bytes + backlog->begin, backlog->len - backlog->begin);
        backlog->len -= backlog->begin;
        backlog->begin = 0;
    }
    if (backlog->len + more <= backlog->capacity)
        return true;
    size_t capacity = backlog->capacity * 2 + more;
    void *grown = backlog->len + more <= BACKLOG_BYTES_MAX ? realloc(backlog->bytes, capacity) : NULL;
    if (grown == NULL)
        return false;
    backlog->bytes = grown;
    backlog->capacity = capacity;
    return true;
}

bool fq_backlog_put(struct fq_worker_telemetry *telemetry, uint32_t type, const void *record, size_t len) {
    struct fq_backlog *backlog = &telemetry->backlog;
    if (is_empty(backlog) && has_room_for(telemetry, type)) {
        (void)otel_sdk_put_checked_record(telemetry->sdk, (enum otel_record_type)type, record, len);
        return true;
    }
    const struct entry entry = {(uint32_t)len, type};
    if (backlog->len + sizeof entry + len > backlog->capacity && !grow(backlog, sizeof entry + len))
        return false;
    memcpy(backlog->bytes + backlog->len, &entry, sizeof entry);
    memcpy(backlog->bytes + backlog->len + sizeof entry, record, len);
    backlog->len += sizeof entry + len;
    return true;
}

bool fq_backlog_drain(struct fq_worker_telemetry *telemetry) {
    struct fq_backlog *backlog = &telemetry->backlog;
    struct entry entry;
    while (!is_empty(backlog)) {
        memcpy(&entry, backlog->bytes + backlog->begin, sizeof entry);
        if (!has_room_for(telemetry, entry.type))
            return false;
        (void)otel_sdk_put_checked_record(telemetry->sdk, (enum otel_record_type)entry.type,
                                          backlog->bytes + backlog->begin + sizeof entry, entry.len);
        backlog->begin += sizeof entry + entry.len;
    }
    if (backlog->capacity > 0) {
        free(backlog->bytes);
        *backlog = (struct fq_backlog){NULL, 0, 0, 0};
    }
    return true;
}

int64_t fq_backlog_finish(struct fq_worker_telemetry *telemetry, int64_t timeout_ms) {
    int64_t until_us = fq_time_add(fq_clock_now().boot_us, timeout_ms * FQ_US_PER_MS), left_ms = timeout_ms;
    while (!fq_backlog_drain(telemetry) && left_ms > 0) {
        (void)otel_sdk_flush(telemetry->sdk, left_ms < FLUSH_SLICE_MS ? left_ms : FLUSH_SLICE_MS);
        left_ms = (until_us - fq_clock_now().boot_us) / FQ_US_PER_MS;
    }
    free(telemetry->backlog.bytes);
    telemetry->backlog = (struct fq_backlog){NULL, 0, 0, 0};
    return left_ms > 0 ? left_ms : 0;
}
