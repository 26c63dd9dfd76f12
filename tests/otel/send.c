// SPDX-License-Identifier: Apache-2.0
// Sends COUNT golden batches and prints what became of them, for tests against other people's receivers, and for measuring.
//   otlp_send PROTOCOL ENDPOINT [--signal NAME] [--count N] [--gzip] [--ca FILE] [--cert FILE KEY] [--header K V]
//             [--timeout MS] [--spans N] [--threads N]
#include "base/assert.h"
#include "otel/wire/protobuf.h"
#include "support/otlp_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { SPAN_BYTES = 256 };

struct plan {
    struct otlp_rig *rig;
    uint8_t *bytes;
    size_t len, items;
    unsigned count;
    unsigned ok;
};

// A request of `spans` spans as they come from a program: four attributes each.
static size_t write_spans(uint8_t *bytes, size_t size, size_t spans) {
    uint8_t *all = calloc(spans, SPAN_BYTES);
    FQ_ASSERT(all != NULL);
    struct otel_pb scope = otel_pb_begin(all, spans * SPAN_BYTES);
    for (size_t i = 0; i < spans; i++) {
        uint8_t span[SPAN_BYTES], pair[80], id[16] = {1, (uint8_t)i, (uint8_t)(i >> 8)};
        struct otel_pb pb = otel_pb_begin(span, sizeof span);
        otel_pb_bytes(&pb, 1, id, 16);
        otel_pb_bytes(&pb, 2, id, 8);
        otel_pb_bytes(&pb, 5, "worker.execute_task", 19);
        otel_pb_fixed64(&pb, 7, 1700000000000000000 + i);
        otel_pb_fixed64(&pb, 8, 1700000000000001000 + i);
        for (int k = 0; k < 4; k++) {
            int len = snprintf((char *)pair, sizeof pair, "\n%ctask.key%d\x12%c\n%cvalue %d %08zu", 9, k, 18,
                               16, k, i);
            otel_pb_bytes(&pb, 9, pair, (size_t)len);
        }
        otel_pb_bytes(&scope, 2, span, (size_t)(pb.at - span));
    }
    struct otel_pb resource = otel_pb_begin(bytes, size);
    size_t inner = (size_t)(scope.at - all);
    otel_pb_tag(&resource, 1, OTEL_PB_BYTES);
    otel_pb_varint(&resource, inner + 1 + otel_pb_varint_size(inner));
    otel_pb_bytes(&resource, 2, all, inner);
    FQ_ASSERT(!scope.failed && !resource.failed);
    free(all);
    return (size_t)(resource.at - bytes);
}

static void *send_all(void *context) {
    struct plan *plan = context;
    for (unsigned i = 0; i < plan->count; i++)
        plan->ok += otlp_rig_export_bytes(plan->rig, plan->bytes, plan->len, plan->items, 0) == OTEL_OK;
    return NULL;
}

static enum otel_signal signal_of(const char *name) {
    return name[0] == 'm' ? OTEL_SIGNAL_METRICS : name[0] == 'l' ? OTEL_SIGNAL_LOGS : OTEL_SIGNAL_TRACES;
}

static void read_options(int argc, char **argv, struct otlp_rig *rig, struct otel_otlp_header *headers,
                         struct plan *plan, size_t *spans, unsigned *threads) {
    struct otel_otlp_options *options = &rig->options;
    options->protocol = strcmp(argv[1], "grpc") == 0        ? OTEL_OTLP_GRPC
                        : strcmp(argv[1], "http/json") == 0 ? OTEL_OTLP_HTTP_JSON
                                                            : OTEL_OTLP_HTTP_PROTOBUF;
    options->endpoint = argv[2];
    for (int i = 3; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--gzip") == 0)
            options->gzip = true;
        else if (strcmp(name, "--signal") == 0)
            options->signal = signal_of(argv[++i]);
        else if (strcmp(name, "--count") == 0)
            plan->count = (unsigned)atoi(argv[++i]);
        else if (strcmp(name, "--spans") == 0)
            *spans = (size_t)atoi(argv[++i]);
        else if (strcmp(name, "--threads") == 0)
            *threads = (unsigned)atoi(argv[++i]);
        else if (strcmp(name, "--timeout") == 0)
            options->timeout_ms = atoi(argv[++i]);
        else if (strcmp(name, "--ca") == 0)
            options->ca_file = argv[++i];
        else if (strcmp(name, "--cert") == 0) {
            options->client_cert_file = argv[++i];
            options->client_key_file = argv[++i];
        } else if (strcmp(name, "--header") == 0) {
            headers[options->header_count++] = (struct otel_otlp_header){argv[i + 1], argv[i + 2]};
            i += 2;
        }
    }
    options->headers = headers;
}

// A line of /proc/self/status: "VmRSS:" all resident memory, "RssAnon:" without files' pages.
static long memory_kib(const char *name) {
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    FQ_ASSERT(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtol(line + strlen(name), NULL, 10);
    }
    fclose(status);
    return kib;
}

static void print_result(const struct otlp_rig *rig, unsigned ok, int64_t ms, long rss_before,
                         long anon_before) {
    struct otel_exporter_stats stats = otlp_rig_stats(rig);
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("{\"ok\": %u, \"exported\": %llu, \"failed\": %llu, \"rejected\": %llu, \"retries\": %llu, "
           "\"ms\": %lld, "
           "\"cpu_ms\": %lld, \"rss_added_kib\": %ld, \"anon_added_kib\": %ld, \"status\": \"%s\", "
           "\"error_type\": \"%s\"}\n",
           ok, (unsigned long long)stats.exported, (unsigned long long)stats.failed,
           (unsigned long long)stats.rejected, (unsigned long long)stats.retries, (long long)ms,
           (long long)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
               (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000,
           memory_kib("VmRSS:") - rss_before, memory_kib("RssAnon:") - anon_before,
           stats.outcome_count > 0 ? stats.outcomes[0].status : "",
           stats.outcome_count > 0 ? stats.outcomes[0].error_type : "");
}

int main(int argc, char **argv) {
    enum { THREADS_MAX = 8, HEADERS_MAX = 8 };
    static struct otlp_rig rig;
    struct otel_otlp_header headers[HEADERS_MAX];
    struct plan plans[THREADS_MAX] = {
        {.rig = &rig, .count = 1, .items = 1}
    };
    pthread_t running[THREADS_MAX];
    size_t spans = 0;
    unsigned threads = 1, ok = 0;
    FQ_ASSERT(argc >= 3);
    otlp_rig_init(&rig, NULL);
    read_options(argc, argv, &rig, headers, &plans[0], &spans, &threads);
    if (spans > 0) {
        plans[0].bytes = malloc(spans * SPAN_BYTES + 64);
        plans[0].len = write_spans(plans[0].bytes, spans * SPAN_BYTES + 64, spans);
        plans[0].items = spans;
    } else {
        bool is_metrics = rig.options.signal == OTEL_SIGNAL_METRICS;
        plans[0].bytes = (uint8_t *)(uintptr_t)(is_metrics ? otlp_golden_metrics : otlp_golden_traces);
        plans[0].len = is_metrics ? sizeof otlp_golden_metrics : sizeof otlp_golden_traces;
    }
    long rss = memory_kib("VmRSS:"), anon = memory_kib("RssAnon:");
    otlp_rig_open(&rig);
    int64_t begin = otlp_rig_now_ms();
    for (unsigned i = 0; i < threads; i++) {
        plans[i] = plans[0];
        FQ_ASSERT(pthread_create(&running[i], NULL, send_all, &plans[i]) == 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(running[i], NULL);
        ok += plans[i].ok;
    }
    print_result(&rig, ok, otlp_rig_now_ms() - begin, rss, anon);
    fputs(rig.reports, stderr);
    if (spans > 0)
        free(plans[0].bytes);
    otlp_rig_done(&rig);
    return 0;
}
