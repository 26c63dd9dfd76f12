// SPDX-License-Identifier: Apache-2.0
// Exporters of a configuration file.
#include "otel/config/endpoint.h"
#include "otel/config/file.h"

#include <strings.h>

static const char *const metric_keys[] = {"temporality_preference", "default_histogram_aggregation", NULL};

static void read_preferences(struct otel_file *file, const otel_config_node *map,
                             struct otel_model_exporter *exporter) {
    static const char *const temporalities[] = {"cumulative", "delta", "low_memory", NULL};
    static const char *const histograms[] = {"explicit_bucket_histogram",
                                             "base2_exponential_bucket_histogram", NULL};
    exporter->temporality =
        (enum otel_model_temporality)otel_file_word(file, map, metric_keys[0], temporalities, 0);
    exporter->exponential = otel_file_word(file, map, metric_keys[1], histograms, 0) == 1;
}

// --- OTLP ------------------------------------------------------------------------------------------------------------
// `headers_list` first, then `headers`, which win.
static void read_headers(struct otel_file *file, const otel_config_node *map,
                         struct otel_otlp_options *otlp) {
    static const char *const keys[] = {"name", "value", NULL};
    const char *list = otel_file_text(file, map, "headers_list");
    const otel_config_node *headers = otel_node_get(map, "headers");
    struct otel_pair *pairs = NULL;
    size_t listed = list != NULL ? otel_variables_pairs(file->variables, "headers_list", list,
                                                        OTEL_PAIRS_HEADERS, &file->config->pool, &pairs)
                                 : 0;
    struct otel_otlp_header *made =
        otel_file_take(file, (listed + otel_node_count(headers) + 1) * sizeof *made);
    if (made == NULL)
        return;
    for (size_t i = 0; i < otel_node_count(headers) && !file->failed; i++) {
        const otel_config_node *row = otel_node_at(headers, i, NULL);
        if (!otel_file_map(file, row, "a header", keys))
            continue;
        const char *name = otel_file_text(file, row, "name"), *value = otel_file_text(file, row, "value");
        if (name == NULL || name[0] == '\0')
            otel_file_fail(file, row, "a header needs a name");
        else if (value != NULL) // null: this one is not sent
            made[otlp->header_count++] = (struct otel_otlp_header){name, value};
    }
    size_t own = otlp->header_count;
    for (size_t i = 0; i < listed; i++) {
        bool given = false;
        for (size_t k = 0; k < own && !given; k++)
            given = strcasecmp(made[k].key, pairs[i].key) == 0;
        if (!given)
            made[otlp->header_count++] = (struct otel_otlp_header){pairs[i].key, pairs[i].value};
    }
    otlp->headers = made;
}

static void read_tls(struct otel_file *file, const otel_config_node *map, struct otel_otlp_options *otlp) {
    static const char *const keys[] = {"ca_file", "key_file", "cert_file", "insecure", NULL};
    const otel_config_node *tls = otel_node_get(map, "tls");
    if (!otel_file_map(file, tls, "tls", keys))
        return;
    otlp->ca_file = otel_file_text(file, tls, "ca_file");
    otlp->client_key_file = otel_file_text(file, tls, "key_file");
    otlp->client_cert_file = otel_file_text(file, tls, "cert_file");
    if ((otlp->client_key_file == NULL) != (otlp->client_cert_file == NULL))
        otel_file_fail(file, tls, "key_file and cert_file only work together");
    if (otlp->protocol == OTEL_OTLP_GRPC)
        otlp->insecure = otel_file_bool(file, tls, "insecure", false);
}

static void read_endpoint(struct otel_file *file, enum otel_signal signal, const otel_config_node *map,
                          struct otel_otlp_options *otlp) {
    struct otel_endpoint_parts parsed;
    const char *text = otel_file_text(file, map, "endpoint");
    bool grpc = otlp->protocol == OTEL_OTLP_GRPC;
    if (text == NULL) {
        otlp->endpoint = grpc
                             ? "http://localhost:4317"
                             : otel_endpoint_signal_url(&file->config->pool, "http://localhost:4318", signal);
        return;
    }
    const char *reason = otel_endpoint_parse(text, &parsed);
    if (reason == NULL && !grpc && (!parsed.has_scheme || parsed.is_unix))
        reason = "over HTTP it has to begin with http:// or https://";
    if (reason != NULL)
        otel_file_fail(file, otel_node_get(map, "endpoint"), "endpoint: %s", reason);
    otlp->endpoint = grpc ? text : otel_endpoint_own_url(&file->config->pool, text);
}

static void read_otlp(struct otel_file *file, enum otel_signal signal, const otel_config_node *map,
                      enum otel_otlp_protocol protocol, struct otel_model_exporter *exporter) {
    static const char *const keys[] = {"endpoint",
                                       "tls",
                                       "headers",
                                       "headers_list",
                                       "compression",
                                       "timeout",
                                       "encoding",
                                       "temporality_preference",
                                       "default_histogram_aggregation",
                                       NULL};
    static const char *const compressions[] = {"none", "gzip", NULL};
    static const char *const encodings[] = {"protobuf", "json", NULL};
    otel_file_map(file, map, "OTLP", keys);
    exporter->kind = OTEL_MODEL_OTLP;
    struct otel_otlp_options *otlp = &exporter->otlp;
    otlp->protocol = protocol;
    if (protocol != OTEL_OTLP_GRPC && otel_file_word(file, map, "encoding", encodings, 0) == 1)
        otlp->protocol = OTEL_OTLP_HTTP_JSON;
    read_endpoint(file, signal, map, otlp);
    read_tls(file, map, otlp);
    read_headers(file, map, otlp);
    otlp->gzip = otel_file_word(file, map, "compression", compressions, 0) == 1;
    otlp->timeout_ms = otel_file_int(file, map, "timeout", 10000, 0, INT32_MAX);
    read_preferences(file, map, exporter);
}

// --- others ----------------------------------------------------------------------------------------------------------
static void read_lines(struct otel_file *file, const otel_config_node *map,
                       struct otel_model_exporter *exporter) {
    static const char *const keys[] = {"output_stream", "temporality_preference",
                                       "default_histogram_aggregation", NULL};
    otel_file_map(file, map, "otlp_file", keys);
    exporter->kind = OTEL_MODEL_JSON_LINES;
    const char *stream = otel_file_text(file, map, "output_stream");
    if (stream != NULL && strncmp(stream, "file://", 7) == 0 && stream[7] == '/')
        exporter->output_file = stream + 7;
    else if (stream != NULL && strcmp(stream, "stdout") != 0)
        otel_file_fail(file, otel_node_get(map, "output_stream"),
                       "output_stream has to be stdout or file:///PATH");
    read_preferences(file, map, exporter);
}

static void read_prometheus(struct otel_file *file, const otel_config_node *map,
                            struct otel_model_exporter *exporter) {
    static const char *const keys[] = {"host",
                                       "port",
                                       "without_scope_info",
                                       "without_target_info",
                                       "with_resource_constant_labels",
                                       "translation_strategy",
                                       NULL};
    otel_file_map(file, map, "prometheus", keys);
    exporter->kind = OTEL_MODEL_PROMETHEUS;
    exporter->host = otel_file_text(file, map, "host");
    if (exporter->host == NULL)
        exporter->host = "localhost";
    exporter->port = (uint16_t)otel_file_int(file, map, "port", 9464, 0, 65535);
    exporter->without_scope_labels = otel_file_bool(file, map, "without_scope_info", false);
    exporter->without_target_info = otel_file_bool(file, map, "without_target_info", false);
    exporter->translation_strategy = otel_file_text(file, map, "translation_strategy");
    if (otel_node_get(map, "with_resource_constant_labels") != NULL)
        otel_file_warn(file, otel_node_get(map, "with_resource_constant_labels"),
                       "resource attributes are given by target_info only; this key is left out");
}

// Names that say /development lose it: the components are the same.
static bool is_named(const char *key, const char *name) {
    size_t len = strlen(name);
    return strncmp(key, name, len) == 0 && (key[len] == '\0' || strcmp(key + len, "/development") == 0);
}

void otel_file_exporter(struct otel_file *file, enum otel_signal signal, const otel_config_node *node,
                        struct otel_model_exporter *ret_exporter) {
    static const enum otel_component components[] = {
        OTEL_COMPONENT_SPAN_EXPORTER, OTEL_COMPONENT_METRIC_EXPORTER, OTEL_COMPONENT_LOG_EXPORTER};
    const char *key;
    const otel_config_node *map;
    if (!otel_file_one(file, node, "exporter", &key, &map))
        return;
    ret_exporter->extension = otel_file_extension(file, components[signal], key, map);
    if (ret_exporter->extension != NULL) {
        ret_exporter->kind = OTEL_MODEL_EXTENSION_EXPORTER;
    } else if (is_named(key, "otlp_grpc")) {
        read_otlp(file, signal, map, OTEL_OTLP_GRPC, ret_exporter);
    } else if (is_named(key, "otlp_http")) {
        read_otlp(file, signal, map, OTEL_OTLP_HTTP_PROTOBUF, ret_exporter);
    } else if (is_named(key, "otlp_file")) {
        read_lines(file, map, ret_exporter);
    } else if (is_named(key, "console")) {
        ret_exporter->kind = OTEL_MODEL_CONSOLE;
        otel_file_map(file, map, "console", metric_keys);
        read_preferences(file, map, ret_exporter);
    } else if (is_named(key, "prometheus") && signal == OTEL_SIGNAL_METRICS) {
        read_prometheus(file, map, ret_exporter);
    } else {
        otel_file_fail(file, map,
                       "exporter %.60s is not known; there are otlp_grpc, otlp_http, otlp_file/development, "
                       "console, and what the program registered",
                       key);
    }
}
