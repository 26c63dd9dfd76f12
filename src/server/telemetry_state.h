// SPDX-License-Identifier: Apache-2.0
// Inside of the control plane's telemetry; shared by the telemetry*.c files only.
#ifndef FQ_SERVER_TELEMETRY_STATE_H
#define FQ_SERVER_TELEMETRY_STATE_H

#include "server/figures.h"
#include "server/telemetry.h"
#include "telemetry/telemetry.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

// How a collection gets its figures. IDLE -> WANTED by a collection, WANTED -> TAKING -> READY by the loop, READY -> IDLE by
// the collection; one whose loop does not come in time goes from WANTED back to IDLE without any.
enum fq_handover { FQ_HANDOVER_IDLE, FQ_HANDOVER_WANTED, FQ_HANDOVER_TAKING, FQ_HANDOVER_READY };

// A series that has ended is said to have no value in that many collections more.
enum { FQ_ENDED_COLLECTIONS = 2 };

// A series of fastqueue.workers.active that has ended.
struct fq_ended_series {
    struct fq_ended_series *next;
    int left;
    char worker[];
};

struct fq_server_telemetry {
    struct fq_telemetry_settings settings;
    otel_sdk *sdk;
    const char *server_id;
    const fq_log *below; // where log lines go in any case
    fq_log log;
    _Atomic(otel_logger *) logger;
    otel_tracer *tracer;
    otel_span *submission; // of the submit that is being decided
    char traceparent[OTEL_TRACEPARENT_TEXT];

    // The loop's side.
    fq_core *core;
    fq_metrics *metrics;
    void (*wake)(void *context);
    void *wake_context;
    // Both sides'.
    _Atomic int handover; // enum fq_handover
    sem_t ready;
    atomic_bool is_attached, is_detached; // detached: the figures are the last ones
    struct fq_figures figures;
    // The collections' side.
    pthread_mutex_t collecting; // several readers take turns
    int64_t began_unix_ns;
    char *shown; // workers of the last collection, each with a NUL; shown_count of them
    size_t shown_count, shown_room;
    struct fq_ended_series *ended;
};

/** An otel_metric_producer's function; `context` is the telemetry. */
void fq_server_telemetry_produce(void *context, otel_point_writer *writer, int64_t now_unix_ns);
/** A process before this one may have said that there is no worker: what it said ends unless it is still so. FQ_ENOMEM. */
int fq_server_telemetry_metrics_init(fq_server_telemetry *telemetry);
void fq_server_telemetry_metrics_done(fq_server_telemetry *telemetry);

#endif
