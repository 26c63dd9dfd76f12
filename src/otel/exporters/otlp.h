// SPDX-License-Identifier: Apache-2.0
// Exporters. Each is made from plain options (config/ fills them), blocks its caller until the deadline at the latest, and
// does its own retries. Source: the OTLP specification and the exporter specification.
#ifndef OTEL_EXPORTERS_OTLP_H
#define OTEL_EXPORTERS_OTLP_H

#include "otel/exporter.h"
#include "otel/runtime.h"

enum otel_otlp_protocol { OTEL_OTLP_GRPC, OTEL_OTLP_HTTP_PROTOBUF, OTEL_OTLP_HTTP_JSON };

struct otel_otlp_header {
    const char *key, *value; // the value is a secret: never printed
};
// What exporters of several signals to one endpoint share: the connection of gRPC, and the wait that a throttling answer asks
// for. Made once for an SDK; exporters hold on to what they use of it, so it may be freed before them.
typedef struct otel_otlp_pool otel_otlp_pool;
otel_otlp_pool *otel_otlp_pool_new(void);
otel_otlp_pool *otel_otlp_pool_free(otel_otlp_pool *pool);

struct otel_otlp_options {
    enum otel_signal signal;
    enum otel_otlp_protocol protocol;
    const char *endpoint; // HTTP: the whole URL. gRPC: http://h:p, https://h:p, h:p, unix:/path
    bool insecure;        // gRPC without a scheme: plain text
    const char *ca_file, *client_key_file, *client_cert_file; // NULL = system's, none, none
    const struct otel_otlp_header *headers;
    size_t header_count;
    bool gzip;
    int64_t timeout_ms;                 // of one batch with its retries; 0 = none
    int64_t backoff_ms;                 // wait before the first repetition; 0 = 1,000, which grows to 5,000
    size_t request_max;                 // 0 = 64 MiB, before compression
    size_t response_max;                // 0 = 4 MiB, behind decompression
    const char *user_agent;             // whole
    const struct otel_runtime *runtime; // borrowed
    otel_otlp_pool *pool;               // borrowed; NULL = shares nothing
};
/** 0 and *ret_exporter; OTEL_FAILED and a reason (static or in `reason`) when the options make no sense. Copies. */
int otel_otlp_exporter_new(const struct otel_otlp_options *options, struct otel_exporter *ret_exporter,
                           char *reason, size_t reason_size);
/** People's text (console) or OTLP JSON lines (otlp/stdout) to a file descriptor. */
int otel_console_exporter_new(enum otel_signal signal, int fd, struct otel_exporter *ret_exporter);
int otel_json_lines_exporter_new(enum otel_signal signal, int fd, struct otel_exporter *ret_exporter);
/** Keeps the batches, for tests: *ret_memory belongs to the exporter. After 4,096 of them export fails. */
struct otel_memory_exporter;
int otel_memory_exporter_new(enum otel_signal signal, struct otel_exporter *ret_exporter,
                             struct otel_memory_exporter **ret_memory);
/** Any thread. */
size_t otel_memory_exporter_count(struct otel_memory_exporter *memory);
/** Its bytes are valid until they are cleared. False behind the last. */
bool otel_memory_exporter_at(struct otel_memory_exporter *memory, size_t index,
                             struct otel_export_batch *ret_batch);
void otel_memory_exporter_clear(struct otel_memory_exporter *memory);

#endif
