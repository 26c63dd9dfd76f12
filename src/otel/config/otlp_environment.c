// SPDX-License-Identifier: Apache-2.0
// OTEL_EXPORTER_OTLP_*: a signal's own variable, if it is not empty, replaces the one for all signals.
#include "otel/config/endpoint.h"
#include "otel/config/environment.h"

#include <stdio.h>

enum { NAME_BYTES_MAX = 64, HTTP_PORT = 4318 };

// The variable that counts for a signal: its own, else the one for all. `name` becomes the one that was found.
struct chosen {
    char name[NAME_BYTES_MAX];
    const char *text; // NULL = neither is set
    bool own;
};

static struct chosen choose(const struct otel_variables *variables, enum otel_signal signal,
                            const char *what) {
    static const char *const words[] = {"TRACES_", "METRICS_", "LOGS_"};
    struct chosen chosen;
    snprintf(chosen.name, sizeof chosen.name, "OTEL_EXPORTER_OTLP_%s%s", words[signal], what);
    chosen.text = otel_variables_text(variables, chosen.name);
    chosen.own = chosen.text != NULL;
    if (!chosen.own) {
        snprintf(chosen.name, sizeof chosen.name, "OTEL_EXPORTER_OTLP_%s", what);
        chosen.text = otel_variables_text(variables, chosen.name);
    }
    return chosen;
}

static const char *keep(struct otel_pool *pool, const char *text) {
    return text != NULL ? otel_pool_text(pool, text, strlen(text)) : NULL;
}

static enum otel_otlp_protocol choose_protocol(const struct otel_variables *variables,
                                               enum otel_signal signal, bool grpc_by_default,
                                               const struct chosen *endpoint) {
    static const char *const words[] = {"grpc", "http/protobuf", "http/json", NULL};
    struct chosen protocol = choose(variables, signal, "PROTOCOL");
    int fallback = grpc_by_default ? OTEL_OTLP_GRPC : OTEL_OTLP_HTTP_PROTOBUF;
    struct otel_endpoint_parts parsed;
    if (protocol.text != NULL)
        return (enum otel_otlp_protocol)otel_variables_word(variables, protocol.name, words, fallback);
    if (grpc_by_default && endpoint->text != NULL && otel_endpoint_parse(endpoint->text, &parsed) == NULL &&
        parsed.port == HTTP_PORT) {
        otel_report(variables->runtime, OTEL_LEVEL_WARN,
                    "%s: port 4318 is that of OTLP over HTTP; set OTEL_EXPORTER_OTLP_PROTOCOL to choose. "
                    "http/protobuf is used",
                    endpoint->name);
        return OTEL_OTLP_HTTP_PROTOBUF;
    }
    return (enum otel_otlp_protocol)fallback;
}

static bool endpoint_is_usable(const struct otel_variables *variables, const struct chosen *endpoint,
                               enum otel_otlp_protocol protocol) {
    struct otel_endpoint_parts parsed;
    if (endpoint->text == NULL)
        return false;
    const char *reason = otel_endpoint_parse(endpoint->text, &parsed);
    if (reason == NULL && protocol != OTEL_OTLP_GRPC && (!parsed.has_scheme || parsed.is_unix))
        reason = "over HTTP it has to begin with http:// or https://";
    if (reason != NULL) {
        otel_report(variables->runtime, OTEL_LEVEL_WARN, "%s=%.200s: %s; the default stays", endpoint->name,
                    endpoint->text, reason);
        return false;
    }
    if (protocol == OTEL_OTLP_GRPC && parsed.has_path)
        otel_report(variables->runtime, OTEL_LEVEL_WARN, "%s=%.200s: gRPC has no path, it is not used",
                    endpoint->name, endpoint->text);
    return true;
}

static const char *choose_url(const struct otel_variables *variables, const struct chosen *endpoint,
                              enum otel_signal signal, enum otel_otlp_protocol protocol,
                              struct otel_pool *pool) {
    bool usable = endpoint_is_usable(variables, endpoint, protocol);
    if (protocol == OTEL_OTLP_GRPC) {
        const char *text = usable ? endpoint->text : "http://localhost:4317";
        return keep(pool, strncmp(text, "dns:///", 7) == 0 ? text + 7 : text);
    }
    if (usable && endpoint->own)
        return otel_endpoint_own_url(pool, endpoint->text);
    return otel_endpoint_signal_url(pool, usable ? endpoint->text : "http://localhost:4318", signal);
}

static void read_headers(const struct otel_variables *variables, const struct chosen *headers,
                         struct otel_pool *pool, struct otel_otlp_options *options) {
    struct otel_pair *pairs;
    if (headers->text == NULL)
        return;
    size_t count =
        otel_variables_pairs(variables, headers->name, headers->text, OTEL_PAIRS_HEADERS, pool, &pairs);
    struct otel_otlp_header *made = otel_pool_take(pool, count * sizeof *made);
    for (size_t i = 0; made != NULL && i < count; i++)
        made[i] = (struct otel_otlp_header){.key = pairs[i].key, .value = pairs[i].value};
    options->headers = made;
    options->header_count = made != NULL ? count : 0;
}

static void read_files(const struct otel_variables *variables, enum otel_signal signal,
                       struct otel_pool *pool, struct otel_otlp_options *options) {
    options->ca_file = keep(pool, choose(variables, signal, "CERTIFICATE").text);
    options->client_key_file = keep(pool, choose(variables, signal, "CLIENT_KEY").text);
    options->client_cert_file = keep(pool, choose(variables, signal, "CLIENT_CERTIFICATE").text);
    if ((options->client_key_file == NULL) != (options->client_cert_file == NULL)) {
        otel_report(
            variables->runtime, OTEL_LEVEL_WARN,
            "OTEL_EXPORTER_OTLP_CLIENT_KEY and _CLIENT_CERTIFICATE only work together; neither is used");
        options->client_key_file = options->client_cert_file = NULL;
    }
}

int otel_environment_otlp(const struct otel_variables *variables, enum otel_signal signal,
                          bool grpc_by_default, struct otel_pool *pool,
                          struct otel_otlp_options *ret_options) {
    static const char *const compressions[] = {"none", "gzip", NULL};
    struct chosen endpoint = choose(variables, signal, "ENDPOINT");
    struct chosen headers = choose(variables, signal, "HEADERS");
    struct otel_otlp_options options = {.signal = signal};
    options.protocol = choose_protocol(variables, signal, grpc_by_default, &endpoint);
    options.endpoint = choose_url(variables, &endpoint, signal, options.protocol, pool);
    options.insecure = otel_variables_bool(variables, choose(variables, signal, "INSECURE").name, false);
    options.gzip =
        otel_variables_word(variables, choose(variables, signal, "COMPRESSION").name, compressions, 0) == 1;
    options.timeout_ms =
        otel_variables_number(variables, choose(variables, signal, "TIMEOUT").name, 10000, 0, INT32_MAX);
    read_headers(variables, &headers, pool, &options);
    read_files(variables, signal, pool, &options);
    *ret_options = options;
    return pool->failed ? OTEL_FAILED : OTEL_OK;
}

void otel_environment_preferences(const struct otel_variables *variables,
                                  struct otel_model_exporter *exporter) {
    static const char *const temporalities[] = {"cumulative", "delta", "lowmemory", NULL};
    static const char *const histograms[] = {"explicit_bucket_histogram",
                                             "base2_exponential_bucket_histogram", NULL};
    exporter->temporality = (enum otel_model_temporality)otel_variables_word(
        variables, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporalities, 0);
    exporter->exponential =
        otel_variables_word(variables, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", histograms,
                            0) == 1;
}
