// SPDX-License-Identifier: Apache-2.0
#include "telemetry/vendor.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { HOST_SIZE = 256 };

enum vendor { NONE, HONEYCOMB, NEW_RELIC, DATADOG };

static const char *const signal_words[] = {"TRACES_", "METRICS_", "LOGS_"};

// --- reading beneath ---------------------------------------------------------------------------------------------------
static const char *environment(void *context, const char *name) {
    (void)context;
    return getenv(name);
}

static const char *text_of(const struct fq_vendor_variables *variables, const char *name) {
    const char *text = variables->variable(variables->context, name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

// A signal's own variable, else the one for all.
static const char *otlp(const struct fq_vendor_variables *variables, enum otel_signal signal,
                        const char *what) {
    char name[FQ_VENDOR_NAME_SIZE];
    snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%s%s", signal_words[signal], what);
    const char *text = text_of(variables, name);
    snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%s", what);
    return text != NULL ? text : text_of(variables, name);
}

// --- whose host it is --------------------------------------------------------------------------------------------------
// The lower-case host of an endpoint that is spoken to with TLS; false for all others.
static bool secure_host(const char *endpoint, bool insecure, char host[HOST_SIZE]) {
    const char *scheme = strstr(endpoint, "://");
    bool tls = strncasecmp(endpoint, "https://", 8) == 0 || (scheme == NULL && !insecure);
    const char *start = scheme != NULL ? scheme + 3 : endpoint;
    size_t len = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', len);
    if (at != NULL) {
        len -= (size_t)(at + 1 - start);
        start = at + 1;
    }
    const char *colon = memchr(start, ':', len);
    if (colon != NULL)
        len = (size_t)(colon - start);
    if (len > 0 && start[len - 1] == '.')
        len--; // a fully qualified name
    if (!tls || len == 0 || len >= HOST_SIZE)
        return false;
    for (size_t i = 0; i < len; i++)
        host[i] = start[i] >= 'A' && start[i] <= 'Z' ? (char)(start[i] + 32) : start[i];
    host[len] = '\0';
    return true;
}

static bool ends_with(const char *host, const char *suffix) {
    size_t host_len = strlen(host), suffix_len = strlen(suffix);
    return host_len > suffix_len && strcmp(host + host_len - suffix_len, suffix) == 0;
}

static enum vendor vendor_of(const char *host) {
    if (ends_with(host, ".honeycomb.io"))
        return HONEYCOMB;
    if (ends_with(host, ".nr-data.net"))
        return NEW_RELIC;
    bool intake = strncmp(host, "otlp.", 5) == 0 || strncmp(host, "trace.agent.", 12) == 0;
    return intake && (ends_with(host, ".datadoghq.com") || ends_with(host, ".datadoghq.eu")) ? DATADOG : NONE;
}

// --- headers -------------------------------------------------------------------------------------------------------------
static bool has_header(const char *headers, const char *key) {
    size_t key_len = strlen(key);
    for (const char *at = headers; at != NULL;) {
        at += strspn(at, " \t,");
        if (strncasecmp(at, key, key_len) == 0 && at[key_len + strspn(at + key_len, " \t")] == '=')
            return true;
        at = strchr(at, ',');
    }
    return false;
}

// Appends ",key=value" with the value percent-encoded; `*headers` is owned text or NULL. It stays as it is when there is no
// memory: then the vendor refuses, which is said.
static void add_header(char **headers, const char *key, const char *value) {
    static const char digits[] = "0123456789ABCDEF";
    size_t old_len = *headers != NULL ? strlen(*headers) : 0;
    char *grown = realloc(*headers, old_len + strlen(key) + 3 * strlen(value) + 3);
    if (grown == NULL)
        return;
    char *at = grown + old_len;
    at += sprintf(at, "%s%s=", old_len > 0 ? "," : "", key);
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                     c == '_' || c == '.' || c == '~';
        if (plain) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    *at = '\0';
    *headers = grown;
}

// Takes over the value.
static void put_row(struct fq_vendor_variables *variables, const char *name, char *value,
                    const char *origin) {
    if (value == NULL || variables->row_count == FQ_VENDOR_ROWS_MAX) {
        free(value);
        return;
    }
    struct fq_vendor_row *row = &variables->rows[variables->row_count++];
    snprintf(row->name, sizeof row->name, "%s", name);
    row->value = value;
    row->origin = origin;
}

// The first of the variables that is set.
static const char *first_of(const struct fq_vendor_variables *variables, const char *const *names,
                            const char **ret_name) {
    for (; *names != NULL; names++) {
        const char *text = text_of(variables, *names);
        if (text != NULL) {
            *ret_name = *names;
            return text;
        }
    }
    return NULL;
}

static void give_key(struct fq_vendor_variables *variables, enum otel_signal signal, enum vendor vendor) {
    static const struct {
        const char *header;
        const char *names[3];
    } rows[] = {
        [HONEYCOMB] = {"x-honeycomb-team", {"HONEYCOMB_API_KEY"}                         },
        [NEW_RELIC] = {"api-key",          {"NEW_RELIC_API_KEY", "NEW_RELIC_LICENSE_KEY"}},
        [DATADOG] = {"dd-api-key",       {"DD_API_KEY"}                                },
    };
    static const char *const metric_dataset[] = {"HONEYCOMB_METRICS_DATASET", "HONEYCOMB_DATASET", NULL};
    const char *given = otlp(variables, signal, "HEADERS"), *origin = NULL;
    const char *key = first_of(variables, rows[vendor].names, &origin);
    char *headers = given != NULL ? strdup(given) : NULL;
    const char *dataset = NULL, *dataset_origin = NULL;
    bool changed = key != NULL && !has_header(given, rows[vendor].header);
    if (changed)
        add_header(&headers, rows[vendor].header, key);
    if (vendor == HONEYCOMB)
        dataset = first_of(variables, metric_dataset + (signal != OTEL_SIGNAL_METRICS), &dataset_origin);
    if (dataset != NULL && !has_header(given, "x-honeycomb-dataset")) {
        add_header(&headers, "x-honeycomb-dataset", dataset);
        changed = true;
    }
    if (!changed) {
        free(headers);
        return;
    }
    char name[FQ_VENDOR_NAME_SIZE];
    snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%sHEADERS", signal_words[signal]);
    put_row(variables, name, headers, origin != NULL ? origin : dataset_origin);
}

// Datadog's own intake knows OTLP over HTTP only.
static void avoid_grpc(struct fq_vendor_variables *variables, enum otel_signal signal, const fq_log *log) {
    const char *protocol = otlp(variables, signal, "PROTOCOL");
    char name[FQ_VENDOR_NAME_SIZE];
    if (protocol != NULL && strcasecmp(protocol, "grpc") != 0)
        return;
    if (protocol != NULL)
        fq_log_write(log, FQ_LOG_WARNING,
                     "telemetry Datadog's intake takes no gRPC; http/protobuf is used. Set "
                     "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or send to a Datadog Agent");
    snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%sPROTOCOL", signal_words[signal]);
    put_row(variables, name, strdup("http/protobuf"), "Datadog's intake");
}

static void prefer_delta(struct fq_vendor_variables *variables, enum vendor vendor) {
    static const char name[] = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    if (text_of(variables, name) == NULL)
        put_row(variables, name, strdup("delta"),
                vendor == DATADOG ? "Datadog's intake" : "New Relic's intake");
}

void fq_vendor_variables_init(struct fq_vendor_variables *variables,
                              const char *(*variable)(void *context, const char *name), void *context,
                              const fq_log *log) {
    *variables = (struct fq_vendor_variables){.variable = variable != NULL ? variable : environment,
                                              .context = context};
    for (int i = 0; i < OTEL_SIGNAL_COUNT; i++) {
        enum otel_signal signal = (enum otel_signal)i;
        char host[HOST_SIZE];
        const char *endpoint = otlp(variables, signal, "ENDPOINT");
        const char *insecure = otlp(variables, signal, "INSECURE");
        if (endpoint == NULL ||
            !secure_host(endpoint, insecure != NULL && strcasecmp(insecure, "true") == 0, host))
            continue;
        enum vendor vendor = vendor_of(host);
        if (vendor == NONE)
            continue;
        give_key(variables, signal, vendor);
        if (vendor == DATADOG)
            avoid_grpc(variables, signal, log);
        if (signal == OTEL_SIGNAL_METRICS && vendor != HONEYCOMB)
            prefer_delta(variables, vendor);
    }
}

static const struct fq_vendor_row *find(const struct fq_vendor_variables *variables, const char *name) {
    for (size_t i = 0; i < variables->row_count; i++) {
        if (strcmp(variables->rows[i].name, name) == 0)
            return &variables->rows[i];
    }
    return NULL;
}

const char *fq_vendor_variable(void *context, const char *name) {
    const struct fq_vendor_variables *variables = context;
    const struct fq_vendor_row *row = find(variables, name);
    return row != NULL ? row->value : variables->variable(variables->context, name);
}

const char *fq_vendor_origin(const struct fq_vendor_variables *variables, const char *name) {
    const struct fq_vendor_row *row = find(variables, name);
    return row != NULL ? row->origin : NULL;
}

void fq_vendor_variables_done(struct fq_vendor_variables *variables) {
    for (size_t i = 0; i < variables->row_count; i++) {
        explicit_bzero(variables->rows[i].value, strlen(variables->rows[i].value));
        free(variables->rows[i].value);
    }
    variables->row_count = 0;
}
