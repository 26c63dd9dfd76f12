// SPDX-License-Identifier: Apache-2.0
// An OTLP exporter under test: a runtime with the real clock, kept diagnostics, and short ways to make and use it.
#ifndef FQ_TESTS_OTLP_RIG_H
#define FQ_TESTS_OTLP_RIG_H

#include "otel/exporters/otlp.h"
#include "support/otlp_server.h"

#include <pthread.h>

struct otlp_rig {
    struct otel_runtime runtime;
    struct otel_otlp_options options; // to be changed before otlp_rig_open()
    char endpoint[128];
    struct otel_exporter exporter;
    pthread_mutex_t lock;
    char reports[16384]; // all that was reported, a line each
    unsigned report_count;
};
/** How many times longer things may take: FASTQUEUE_TEST_SLOWNESS, which check_memory.sh sets for valgrind; else 1. */
int otlp_rig_slowness(void);
/** Options for traces over gRPC to `server` (NULL: to nowhere), plain text, 5 s. */
void otlp_rig_init(struct otlp_rig *rig, const otlp_server *server);
void otlp_rig_open(struct otlp_rig *rig);
/** Frees the exporter. */
void otlp_rig_done(struct otlp_rig *rig);
/** Exports 2 spans' worth of bytes, within `timeout_ms` (0 = only the exporter's own limit). */
int otlp_rig_export(struct otlp_rig *rig, int64_t timeout_ms);
int otlp_rig_export_bytes(struct otlp_rig *rig, const void *bytes, size_t len, size_t items,
                          int64_t timeout_ms);
struct otel_exporter_stats otlp_rig_stats(const struct otlp_rig *rig);
/** Something with `text` in it was reported. */
bool otlp_rig_said(struct otlp_rig *rig, const char *text);
int64_t otlp_rig_now_ms(void);
/** The golden vectors of OTLP: bytes of a TracesData and a MetricsData message. */
extern const uint8_t otlp_golden_traces[238];
extern const uint8_t otlp_golden_metrics[353];

#endif
