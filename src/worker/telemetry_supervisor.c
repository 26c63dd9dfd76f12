// SPDX-License-Identifier: Apache-2.0
#include "client/target.h"
#include "fastqueue/version.h"
#include "net/clock.h"
#include "otel/exporters/target.h"
#include "worker/telemetry_record.h"
#include "worker/telemetry_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { TELL_EVERY_US = 60 * FQ_US_PER_S };

#define METRIC_LOST "fastqueue.telemetry.lost_records"

// Log records are exported when somebody asked for them by name: what tasks print is not ours to collect unasked.
static bool wants_logs(void) {
    const char *exporter = getenv("OTEL_LOGS_EXPORTER");
    return exporter != NULL && exporter[0] != '\0' && strcasecmp(exporter, "none") != 0;
}

static void set_place(struct fq_worker_telemetry *telemetry, const char *address) {
    struct fq_target target;
    char error[320];
    telemetry->place = (struct fq_execute_place){.worker_id = telemetry->worker_id, .server_address = ""};
    const struct fq_target_options wanted = {.address = address};
    if (fq_target_init(&target, &wanted, error, sizeof error) < 0)
        return;
    const struct fq_address *first = fq_target_address(&target);
    bool is_unix = first->kind == FQ_ADDRESS_UNIX;
    snprintf(telemetry->server_address, sizeof telemetry->server_address, "%s",
             is_unix ? first->path : first->host);
    telemetry->place.server_address = telemetry->server_address;
    telemetry->place.server_port = is_unix ? 0 : first->port;
    fq_target_done(&target);
}

static const char *variable(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

static void say_on(const struct fq_worker_telemetry *telemetry) {
    if (otel_sdk_tracer_provider(telemetry->sdk) == NULL && otel_sdk_meter_provider(telemetry->sdk) == NULL) {
        fq_log_write(
            telemetry->log, FQ_LOG_WARNING,
            "telemetry is switched on and its SDK is disabled; 'fastqueue doctor telemetry' says more");
        return;
    }
    char endpoint[OTEL_HOST_MAX + 256];
    otel_target_say(variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317"), endpoint,
                    sizeof endpoint);
    fq_log_write(telemetry->log, FQ_LOG_INFO, "telemetry is on: to %s as %s%s", endpoint,
                 variable("OTEL_SERVICE_NAME", "fastqueue"),
                 telemetry->logger != NULL ? "; what tasks print leaves as log records too" : "");
}

struct fq_worker_telemetry *fq_worker_telemetry_open(const struct fq_worker_telemetry_options *options) {
    struct fq_telemetry_settings settings;
    fq_telemetry_settings_read(&settings, NULL, NULL, options->log);
    if (!settings.enabled)
        return NULL;
    struct fq_worker_telemetry *telemetry = calloc(1, sizeof *telemetry);
    if (telemetry == NULL)
        return NULL;
    const struct fq_telemetry_options wanted = {.log = options->log, .instance_note = options->worker_id};
    telemetry->log = options->log;
    telemetry->settings = settings;
    telemetry->worker_id = strdup(options->worker_id);
    telemetry->sdk = telemetry->worker_id != NULL ? fq_telemetry_open(&settings, &wanted) : NULL;
    if (telemetry->sdk == NULL) {
        free(telemetry->worker_id);
        free(telemetry);
        return NULL;
    }
    set_place(telemetry, options->address);
    if (wants_logs() && otel_sdk_has_exporter(telemetry->sdk, OTEL_SIGNAL_LOGS))
        telemetry->logger = otel_sdk_logger(telemetry->sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION);
    telemetry->lost_records =
        otel_counter(otel_sdk_meter(telemetry->sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION), METRIC_LOST, "{record}",
                     "Spans and log records of runners that were lost before the supervisor had them");
    say_on(telemetry);
    return telemetry;
}

struct fq_worker_telemetry *fq_worker_telemetry_close(struct fq_worker_telemetry *telemetry) {
    if (telemetry == NULL)
        return NULL;
    int64_t left_ms = fq_backlog_finish(telemetry, telemetry->settings.exit_timeout_ms);
    (void)otel_sdk_shutdown(telemetry->sdk, left_ms);
    telemetry->sdk = otel_sdk_free(telemetry->sdk);
    if (telemetry->dropped + telemetry->skipped + telemetry->malformed > 0)
        fq_log_write(telemetry->log, FQ_LOG_WARNING,
                     "telemetry lost %llu records that found no room, %llu half-written, %llu malformed",
                     (unsigned long long)telemetry->dropped, (unsigned long long)telemetry->skipped,
                     (unsigned long long)telemetry->malformed);
    free(telemetry->worker_id);
    free(telemetry);
    return NULL;
}

bool fq_worker_telemetry_has_traces(const struct fq_worker_telemetry *telemetry) {
    return telemetry != NULL && otel_sdk_has_exporter(telemetry->sdk, OTEL_SIGNAL_TRACES);
}

bool fq_worker_telemetry_has_logs(const struct fq_worker_telemetry *telemetry) {
    return telemetry != NULL && telemetry->logger != NULL;
}

void fq_worker_telemetry_log(const struct fq_worker_telemetry *telemetry, int stream, fq_str line,
                             const struct fq_output_owner *owner, fq_str task_name, int64_t pid) {
    char id[FQ_UUID_TEXT + 1];
    struct otel_attribute attributes[6] = {otel_text("log.iostream", stream == 0 ? "stdout" : "stderr"),
                                           otel_text(FQ_ATTR_WORKER_ID, telemetry->worker_id),
                                           otel_int("process.pid", pid)};
    struct otel_log_record record = {
        .body = otel_value_string(line.ptr, line.len),
        .attributes = attributes,
        .attribute_count = 3,
        .no_span = true,
    };
    struct otel_span_context span = {.flags = owner->flags};
    memcpy(span.trace_id, owner->trace_id, sizeof span.trace_id);
    memcpy(span.span_id, owner->span_id, sizeof span.span_id);
    if (owner->is_known != 0) {
        fq_uuid_format(&owner->id, id);
        attributes[3] = otel_text_len(FQ_ATTR_TASK_ID, id, FQ_UUID_TEXT);
        attributes[4] = otel_text_len(FQ_ATTR_TASK_NAME, task_name.ptr, task_name.len);
        attributes[5] = otel_int(FQ_ATTR_ATTEMPT, owner->attempt);
        record.attribute_count = 6;
        if (otel_span_context_is_valid(&span)) {
            record.span = &span;
            record.no_span = false;
        }
    }
    otel_log_emit(telemetry->logger, &record);
}

// --- losses ----------------------------------------------------------------------------------------------------------

struct loss {
    const char *reason, *meaning;
};
static const struct loss RING_FULL = {"ring_full", "more is recorded than leaves for the collector"};
static const struct loss NO_ROOM = {"no_room", "more is recorded than leaves for the collector"};
static const struct loss HALF_WRITTEN = {"half_written", "a runner died while it wrote"};
static const struct loss MALFORMED = {"malformed", "a task wrote into the memory of its runner"};

static void count_lost(struct fq_worker_telemetry *telemetry, const struct loss *loss, uint64_t *total,
                       uint64_t more) {
    if (more == 0)
        return;
    *total += more;
    const struct otel_attribute attributes[] = {otel_text(FQ_ATTR_WORKER_ID, telemetry->worker_id),
                                                otel_text("reason", loss->reason)};
    otel_add(telemetry->lost_records, (double)more, attributes, 2);
    int64_t now_us = fq_clock_now().boot_us;
    if (telemetry->told_us != 0 && now_us - telemetry->told_us < TELL_EVERY_US)
        return;
    telemetry->told_us = now_us;
    fq_log_write(telemetry->log, FQ_LOG_WARNING, "telemetry of runners is lost (%llu records, %s): %s",
                 (unsigned long long)more, loss->reason, loss->meaning);
}

// The board's own count is the runner's word: taken only when it grows, and never by more than a ring could hold.
static void account(struct fq_worker_telemetry *telemetry, struct fq_runner_feed *feed) {
    uint64_t dropped = fq_board_get(feed->board, FQ_BOARD_RING_DROPPED);
    if (dropped > feed->dropped && dropped - feed->dropped < UINT32_MAX)
        count_lost(telemetry, &RING_FULL, &telemetry->dropped, dropped - feed->dropped);
    feed->dropped = dropped;
    count_lost(telemetry, &HALF_WRITTEN, &telemetry->skipped, feed->ring.skipped - feed->skipped);
    feed->skipped = feed->ring.skipped;
}

// --- reading ---------------------------------------------------------------------------------------------------------

void fq_feed_attach(struct fq_worker_telemetry *telemetry, struct fq_runner_feed *feed,
                    const struct fq_board *board) {
    feed->board = board;
    feed->area = otel_area_attach(otel_sdk_meter_provider(telemetry->sdk), fq_board_metrics(board),
                                  FQ_BOARD_METRIC_BYTES);
}

// One record: 1, or 0 if there is none.
static int read_one(struct fq_worker_telemetry *telemetry, struct fq_runner_feed *feed, bool is_gone,
                    struct fq_record_facts *ret_facts, bool *ret_is_span) {
    uint8_t type;
    uint32_t len;
    if (fq_ring_read(feed->board, &feed->ring, is_gone, telemetry->record, sizeof telemetry->record, &type,
                     &len) != 1)
        return 0;
    *ret_is_span = false;
    if (type == FQ_RING_MARK && len == sizeof(struct fq_output_mark)) {
        struct fq_output_mark mark;
        memcpy(&mark, telemetry->record, sizeof mark);
        fq_output_mark_add(&feed->marks, &mark);
        return 1;
    }
    if (fq_record_check(type, telemetry->record, len, ret_facts) < 0) {
        count_lost(telemetry, &MALFORMED, &telemetry->malformed, 1);
        return 1;
    }
    *ret_is_span = type == FQ_RING_SPAN;
    if (!fq_backlog_put(telemetry, type, telemetry->record, len))
        count_lost(telemetry, &NO_ROOM, &telemetry->dropped, 1);
    return 1;
}

// With log records, and the marks of who printed what, in the same ring nothing may wait for the spans' exporter.
static bool has_room(const struct fq_worker_telemetry *telemetry) {
    return telemetry->logger != NULL || !fq_worker_telemetry_has_traces(telemetry) ||
           otel_sdk_has_room(telemetry->sdk, OTEL_SIGNAL_TRACES);
}

bool fq_feed_read(struct fq_worker_telemetry *telemetry, struct fq_runner_feed *feed) {
    if (feed->board == NULL)
        return false;
    if (!fq_backlog_drain(telemetry) && telemetry->logger == NULL) {
        feed->is_held = true;
        return true;
    }
    // No more than was there when the turn began, so that a runner that writes all the time keeps nobody waiting.
    uint64_t until = feed->ring.tail + FQ_BOARD_RING_BYTES;
    bool any = false, is_span;
    struct fq_record_facts facts;
    while (feed->ring.tail < until && has_room(telemetry) &&
           read_one(telemetry, feed, false, &facts, &is_span) == 1) {
        any = true;
        if (is_span)
            memcpy(feed->recent[feed->recent_count++ % FQ_RECENT_SPANS], facts.span_id, sizeof facts.span_id);
    }
    feed->is_held = !has_room(telemetry) && !fq_ring_is_empty(feed->board, &feed->ring);
    account(telemetry, feed);
    return any || !fq_ring_is_empty(feed->board, &feed->ring);
}

static void remember(struct fq_span_ids *ids, const uint8_t span_id[8]) {
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity * 2 + 64;
        void *grown = realloc(ids->ids, capacity * sizeof *ids->ids);
        if (grown == NULL)
            return; // at worst a span is said twice
        ids->ids = grown;
        ids->capacity = capacity;
    }
    memcpy(ids->ids[ids->count++], span_id, sizeof ids->ids[0]);
}

void fq_feed_finish(struct fq_worker_telemetry *telemetry, struct fq_runner_feed *feed,
                    struct fq_span_ids *ret_ids) {
    *ret_ids = (struct fq_span_ids){NULL, 0, 0};
    if (feed->board == NULL)
        return;
    struct fq_record_facts facts;
    bool is_span;
    // A process that the runner left behind may share its board, and write on.
    uint64_t until = feed->ring.tail + FQ_BOARD_RING_BYTES;
    while (feed->ring.tail < until && read_one(telemetry, feed, true, &facts, &is_span) == 1)
        if (is_span)
            remember(ret_ids, facts.span_id);
    account(telemetry, feed);
}

void fq_feed_detach(struct fq_worker_telemetry *telemetry, struct fq_runner_feed *feed) {
    if (feed->board == NULL)
        return;
    otel_area_detach(otel_sdk_meter_provider(telemetry->sdk), feed->area);
    feed->area = NULL;
    feed->board = NULL;
}

static bool is_among(const uint8_t (*ids)[8], size_t count, const uint8_t span_id[8]) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(ids[i], span_id, sizeof ids[0]) == 0)
            return true;
    return false;
}

bool fq_feed_has_ended(const struct fq_runner_feed *feed, const struct fq_span_ids *ids,
                       const uint8_t span_id[8]) {
    size_t recent = feed->recent_count < FQ_RECENT_SPANS ? feed->recent_count : FQ_RECENT_SPANS;
    return is_among((const uint8_t(*)[8])ids->ids, ids->count, span_id) ||
           is_among((const uint8_t(*)[8])feed->recent, recent, span_id);
}
