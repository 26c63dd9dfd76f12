// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ATTEMPTS_MAX = 5,
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_GROWTH = 5,
    REQUEST_MAX = 64 * 1024 * 1024,
};

// A call of export_batch() under way.
struct export {
    atomic_bool is_given_up;
    atomic_bool is_hurried; // or given up: does not wait between attempts
    struct export *next;
};

struct delivery {
    struct otel_exporter_ops ops; // with this exporter's component type
    const struct otel_transport_ops *transport_ops;
    void *transport;
    struct otel_endpoint *endpoint;
    char name[OTEL_HOST_MAX + 24]; // host:port for people
    enum otel_signal signal;
    const struct otel_runtime *runtime;
    int64_t timeout_ms, backoff_ms;
    size_t request_max;

    pthread_mutex_t lock; // of all below
    pthread_cond_t idle;
    struct export *exports;
    bool is_shut_down;
    bool is_unsupported;
    bool is_hurried;
    struct otel_exporter_stats stats;
    struct otel_report_limit failures, partials, notes;
};

static const char *signal_name(enum otel_signal signal) {
    static const char *const names[OTEL_SIGNAL_COUNT] = {"traces", "metrics", "logs"};
    return names[signal];
}
static const char *item_name(enum otel_signal signal) {
    static const char *const names[OTEL_SIGNAL_COUNT] = {"spans", "data points", "log records"};
    return names[signal];
}

void otel_attempt_put(struct otel_attempt *attempt, enum otel_attempt_end end, const char *error_type,
                      const char *text) {
    attempt->end = end;
    snprintf(attempt->error_type, sizeof attempt->error_type, "%s", error_type);
    snprintf(attempt->text, sizeof attempt->text, "%s", text);
}

// --- the wait between attempts ---------------------------------------------------------------------------------------
int64_t otel_delivery_backoff_ms(unsigned number, int64_t first_ms, int64_t wish_ms, uint32_t random) {
    int64_t wait = wish_ms > first_ms ? wish_ms : first_ms;
    int64_t most = wish_ms > BACKOFF_GROWTH * first_ms ? wish_ms : BACKOFF_GROWTH * first_ms;
    for (unsigned i = 1; i < number && wait < most; i++)
        wait += wait / 2;
    wait = wait < most ? wait : most;
    wait += wait * ((int64_t)(random % 401) - 200) / 1000;
    // A fifth less than what the receiver asked for would come too early.
    return wait > wish_ms ? wait : wish_ms;
}

static uint32_t random_number(const struct otel_runtime *runtime) {
    uint8_t id[8];
    uint32_t number;
    runtime->ids.span_id(runtime->ids.context, id);
    memcpy(&number, id, sizeof number);
    return number;
}

// --- what is said; without the lock, for it is the program's code that hears it ----------------------------------------
static void say_limited(struct delivery *delivery, struct otel_report_limit *limit, enum otel_log_level level,
                        const char *text) {
    uint32_t suppressed;
    if (!otel_report_allowed(limit, otel_monotonic_ns(delivery->runtime), &suppressed))
        return;
    if (suppressed > 0)
        otel_report(delivery->runtime, level, "%s (%u more like this were not printed)", text, suppressed);
    else
        otel_report(delivery->runtime, level, "%s", text);
}

static void say_failure(struct delivery *delivery, const struct otel_export_batch *batch,
                        const struct otel_attempt *attempt, unsigned attempts) {
    char text[OTEL_ATTEMPT_TEXT_MAX + 512];
    snprintf(text, sizeof text, "OTLP %s to %s: %s; %zu %s lost after %u attempt%s",
             signal_name(delivery->signal), delivery->name, attempt->text, batch->item_count,
             item_name(delivery->signal), attempts, attempts == 1 ? "" : "s");
    say_limited(delivery, &delivery->failures, OTEL_LEVEL_ERROR, text);
}

static void say_partial(struct delivery *delivery, const struct otel_partial_success *partial) {
    char text[OTEL_ATTEMPT_TEXT_MAX + 512];
    if (partial->rejected > 0) {
        snprintf(text, sizeof text, "OTLP %s to %s: the receiver rejected %llu %s: %s",
                 signal_name(delivery->signal), delivery->name, (unsigned long long)partial->rejected,
                 item_name(delivery->signal),
                 partial->message[0] != '\0' ? partial->message : "it does not say why");
        say_limited(delivery, &delivery->partials, OTEL_LEVEL_ERROR, text);
    } else if (partial->message[0] != '\0') {
        snprintf(text, sizeof text, "OTLP %s to %s: the receiver warns: %s", signal_name(delivery->signal),
                 delivery->name, partial->message);
        say_limited(delivery, &delivery->notes, OTEL_LEVEL_WARN, text);
    }
}

static void say_unsupported(const struct delivery *delivery) {
    static const char *const variables[OTEL_SIGNAL_COUNT] = {"TRACES", "METRICS", "LOGS"};
    otel_report(
        delivery->runtime, OTEL_LEVEL_WARN,
        "%s does not take %s: this process sends it no more of them; set OTEL_%s_EXPORTER=none, or send them "
        "elsewhere",
        delivery->name, signal_name(delivery->signal), variables[delivery->signal]);
}

static void say(struct delivery *delivery, const struct otel_export_batch *batch,
                const struct otel_attempt *attempt, unsigned attempts) {
    if (attempt->end == OTEL_ATTEMPT_ACCEPTED)
        say_partial(delivery, &attempt->partial);
    else if (attempt->is_unsupported)
        say_unsupported(delivery);
    else
        say_failure(delivery, batch, attempt, attempts);
}

// --- counting; the lock is held --------------------------------------------------------------------------------------
static void count_outcome(struct otel_exporter_stats *stats, const struct otel_attempt *attempt,
                          double seconds) {
    size_t at = 0;
    while (at < stats->outcome_count && (strcmp(stats->outcomes[at].error_type, attempt->error_type) != 0 ||
                                         strcmp(stats->outcomes[at].status, attempt->status) != 0))
        at++;
    if (at == OTEL_EXPORTER_OUTCOMES_MAX) {
        at--;
    } else if (at == stats->outcome_count) {
        snprintf(stats->outcomes[at].error_type, sizeof stats->outcomes[at].error_type, "%s",
                 attempt->error_type);
        snprintf(stats->outcomes[at].status, sizeof stats->outcomes[at].status, "%s", attempt->status);
        stats->outcome_count++;
    }
    stats->outcomes[at].count++;
    stats->outcomes[at].seconds += seconds;
}

static void count_accepted(struct delivery *delivery, size_t items,
                           const struct otel_partial_success *partial) {
    struct otel_exporter_stats *stats = &delivery->stats;
    uint64_t rejected = partial->rejected < items ? partial->rejected : items;
    stats->rejected += rejected;
    stats->exported += items - rejected;
    stats->last_success_unix_ns = otel_unix_ns(delivery->runtime);
    if (rejected > 0)
        snprintf(stats->last_error, sizeof stats->last_error, "rejected: %s", partial->message);
}

static void count(struct delivery *delivery, const struct otel_export_batch *batch,
                  const struct otel_attempt *attempt, unsigned attempts, int64_t started_ns) {
    struct otel_exporter_stats *stats = &delivery->stats;
    stats->retries += attempts > 1 ? attempts - 1 : 0;
    if (attempt->end == OTEL_ATTEMPT_ACCEPTED) {
        count_accepted(delivery, batch->item_count, &attempt->partial);
    } else {
        stats->failed += batch->item_count;
        snprintf(stats->last_error, sizeof stats->last_error, "%.*s", (int)sizeof stats->last_error - 1,
                 attempt->text);
    }
    delivery->is_unsupported |= attempt->is_unsupported;
    count_outcome(stats, attempt, (double)(otel_monotonic_ns(delivery->runtime) - started_ns) / 1e9);
}

// --- attempts --------------------------------------------------------------------------------------------------------
static void refuse(struct otel_attempt *attempt, enum otel_attempt_end end, const char *error_type,
                   const char *text) {
    *attempt = (struct otel_attempt){0};
    otel_attempt_put(attempt, end, error_type, text);
}

// Waits as told. Out of time: what the last attempt said stays the reason.
static bool wait_before(struct delivery *delivery, struct export *export, int64_t until_ns,
                        int64_t deadline_ns, unsigned made, struct otel_attempt *attempt) {
    switch (otel_endpoint_wait(delivery->endpoint, delivery->runtime, until_ns, deadline_ns,
                               made > 0 ? &export->is_hurried : &export->is_given_up)) {
    case OTEL_ENDPOINT_FREE: return true;
    case OTEL_ENDPOINT_GIVEN_UP:
        if (made > 0 && !atomic_load(&export->is_given_up))
            return made == 1; // hurried: a kept connection may have been stale
        refuse(attempt, OTEL_ATTEMPT_GIVEN_UP, "cancelled", "given up, for the exporter is shutting down");
        return false;
    case OTEL_ENDPOINT_TIMEOUT:
        if (attempt->text[0] == '\0')
            refuse(attempt, OTEL_ATTEMPT_TRANSIENT, "throttled",
                   "the receiver asked to wait for longer than the timeout");
        return false;
    }
    return false;
}

static unsigned try(struct delivery *delivery, struct export *export, const struct otel_export_batch *batch,
                    int64_t deadline_ns, struct otel_attempt *attempt) {
    const struct otel_call_limits limits = {.deadline_ns = deadline_ns, .is_given_up = &export->is_given_up};
    int64_t until_ns = 0, wish_ms = 0;
    unsigned made = 0;
    while (wait_before(delivery, export, until_ns, deadline_ns, made, attempt)) {
        *attempt = (struct otel_attempt){0};
        delivery->transport_ops->attempt(delivery->transport, batch, &limits, attempt);
        made++;
        if (attempt->end != OTEL_ATTEMPT_TRANSIENT)
            return made;
        wish_ms = attempt->retry_ms > wish_ms ? attempt->retry_ms : wish_ms;
        int64_t now = otel_monotonic_ns(delivery->runtime);
        if (attempt->is_throttled)
            otel_endpoint_hold(delivery->endpoint, now, attempt->retry_ms);
        if (made == ATTEMPTS_MAX)
            return made;
        until_ns = now + otel_delivery_backoff_ms(made, delivery->backoff_ms, wish_ms,
                                                  random_number(delivery->runtime)) *
                             1000000;
    }
    return made;
}

static int result_of(enum otel_attempt_end end) {
    if (end == OTEL_ATTEMPT_ACCEPTED)
        return OTEL_OK;
    return end == OTEL_ATTEMPT_TIMEOUT ? OTEL_TIMEOUT : OTEL_FAILED;
}

// What needs no attempt; false: goes on.
static bool refuse_early(const struct delivery *delivery, const struct otel_export_batch *batch,
                         struct otel_attempt *attempt) {
    if (delivery->is_shut_down)
        refuse(attempt, OTEL_ATTEMPT_REFUSED, "already_shutdown", "the exporter is shut down");
    else if (delivery->is_unsupported)
        refuse(attempt, OTEL_ATTEMPT_REFUSED, "unsupported", "the receiver does not take this signal");
    else if (batch->len > delivery->request_max)
        refuse(attempt, OTEL_ATTEMPT_REFUSED, "request_too_large",
               "the batch is larger than a request may be; make batches smaller "
               "(OTEL_BSP_MAX_EXPORT_BATCH_SIZE)");
    else
        return false;
    return true;
}

static int64_t deadline_of(const struct delivery *delivery, const struct otel_export_batch *batch,
                           int64_t now) {
    int64_t deadline = batch->deadline_ns > 0 ? batch->deadline_ns : INT64_MAX;
    if (delivery->timeout_ms > 0 && delivery->timeout_ms < (deadline - now) / 1000000)
        deadline = now + delivery->timeout_ms * 1000000;
    return deadline;
}

static void enter(struct delivery *delivery, struct export *export) {
    atomic_store(&export->is_hurried, delivery->is_hurried);
    export->next = delivery->exports;
    delivery->exports = export;
}

static void leave(struct delivery *delivery, struct export *export) {
    struct export **at = &delivery->exports;
    while (*at != export)
        at = &(*at)->next;
    *at = export->next;
    if (delivery->exports == NULL)
        pthread_cond_broadcast(&delivery->idle);
}

static int export_batch(void *self, const struct otel_export_batch *batch) {
    struct delivery *delivery = self;
    struct export export = {0};
    struct otel_attempt attempt = {0};
    int64_t now = otel_monotonic_ns(delivery->runtime);
    unsigned attempts = 0;
    pthread_mutex_lock(&delivery->lock);
    bool was_said = delivery->is_unsupported || delivery->is_shut_down;
    if (!refuse_early(delivery, batch, &attempt)) {
        enter(delivery, &export);
        delivery->stats.inflight += batch->item_count;
        pthread_mutex_unlock(&delivery->lock);
        attempts = try(delivery, &export, batch, deadline_of(delivery, batch, now), &attempt);
        pthread_mutex_lock(&delivery->lock);
        delivery->stats.inflight -= batch->item_count;
        leave(delivery, &export);
        was_said = delivery->is_unsupported;
    }
    count(delivery, batch, &attempt, attempts, now);
    pthread_mutex_unlock(&delivery->lock);
    if (!was_said)
        say(delivery, batch, &attempt, attempts);
    return result_of(attempt.end);
}

// --- the rest of an exporter -----------------------------------------------------------------------------------------
static void give_up_all(struct delivery *delivery) {
    pthread_mutex_lock(&delivery->lock);
    for (struct export *export = delivery->exports; export != NULL; export = export->next) {
        atomic_store(&export->is_given_up, true);
        atomic_store(&export->is_hurried, true);
    }
    pthread_mutex_unlock(&delivery->lock);
    otel_endpoint_wake(delivery->endpoint);
    if (delivery->transport_ops->wake != NULL)
        delivery->transport_ops->wake(delivery->transport);
}

static void hurry(void *self) {
    struct delivery *delivery = self;
    pthread_mutex_lock(&delivery->lock);
    delivery->is_hurried = true;
    for (struct export *export = delivery->exports; export != NULL; export = export->next)
        atomic_store(&export->is_hurried, true);
    pthread_mutex_unlock(&delivery->lock);
    otel_endpoint_wake(delivery->endpoint);
}

static void cancel(void *self) {
    give_up_all(self);
}

static bool wait_until_idle(struct delivery *delivery, int64_t timeout_ms) {
    const struct timespec until =
        otel_wait_until(timeout_ms < INT64_MAX / 1000000 ? timeout_ms * 1000000 : INT64_MAX);
    pthread_mutex_lock(&delivery->lock);
    int result = 0;
    while (delivery->exports != NULL && result == 0)
        result = pthread_cond_timedwait(&delivery->idle, &delivery->lock, &until);
    bool is_idle = delivery->exports == NULL;
    pthread_mutex_unlock(&delivery->lock);
    return is_idle;
}

static int shut_down(void *self, int64_t timeout_ms) {
    struct delivery *delivery = self;
    pthread_mutex_lock(&delivery->lock);
    delivery->is_shut_down = true;
    pthread_mutex_unlock(&delivery->lock);
    if (wait_until_idle(delivery, timeout_ms > 0 ? timeout_ms : 0))
        return OTEL_OK;
    give_up_all(delivery);
    return OTEL_TIMEOUT;
}

static void init_lock(struct delivery *delivery) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&delivery->lock, NULL);
    pthread_cond_init(&delivery->idle, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void after_fork(void *self) {
    struct delivery *delivery = self;
    init_lock(delivery);
    delivery->exports = NULL;
    delivery->stats.inflight = 0;
    otel_endpoint_after_fork(delivery->endpoint);
    if (delivery->transport_ops->after_fork != NULL)
        delivery->transport_ops->after_fork(delivery->transport);
}

static void free_delivery(void *self) {
    struct delivery *delivery = self;
    if (delivery->transport_ops->free != NULL)
        delivery->transport_ops->free(delivery->transport);
    otel_endpoint_leave(delivery->endpoint);
    pthread_cond_destroy(&delivery->idle);
    pthread_mutex_destroy(&delivery->lock);
    free(delivery);
}

static void copy_stats(void *self, struct otel_exporter_stats *ret_stats) {
    struct delivery *delivery = self;
    pthread_mutex_lock(&delivery->lock);
    *ret_stats = delivery->stats;
    pthread_mutex_unlock(&delivery->lock);
}

int otel_delivery_new(const struct otel_otlp_options *options, const struct otel_transport_ops *ops,
                      void *transport, struct otel_endpoint *endpoint, const struct otel_target *target,
                      struct otel_exporter *ret_exporter) {
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL) {
        ops->free(transport);
        otel_endpoint_leave(endpoint);
        return OTEL_FAILED;
    }
    delivery->ops = (struct otel_exporter_ops){.component_type = ops->component_types[options->signal],
                                               .export_batch = export_batch,
                                               .cancel = cancel,
                                               .hurry = hurry,
                                               .shutdown = shut_down,
                                               .after_fork = after_fork,
                                               .free = free_delivery,
                                               .stats = copy_stats};
    delivery->transport_ops = ops;
    delivery->transport = transport;
    delivery->endpoint = endpoint;
    delivery->signal = options->signal;
    delivery->runtime = options->runtime;
    delivery->timeout_ms = options->timeout_ms;
    delivery->backoff_ms = options->backoff_ms > 0 ? options->backoff_ms : BACKOFF_FIRST_MS;
    delivery->request_max = options->request_max != 0 ? options->request_max : REQUEST_MAX;
    snprintf(delivery->name, sizeof delivery->name, "%s%s", target->is_unix ? "unix:" : "",
             target->is_unix ? target->path : target->authority);
    snprintf(delivery->stats.server_address, sizeof delivery->stats.server_address, "%.*s",
             (int)sizeof delivery->stats.server_address - 1, target->is_unix ? target->path : target->host);
    delivery->stats.server_port = target->port;
    init_lock(delivery);
    *ret_exporter = (struct otel_exporter){.ops = &delivery->ops, .self = delivery};
    return OTEL_OK;
}
