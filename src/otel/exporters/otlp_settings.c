// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/otlp_settings.h"

#include "base/base64.h"

#include <stdlib.h>
#include <strings.h>

enum { RESPONSE_MAX = 4 * 1024 * 1024 };

void otel_otlp_settings_done(struct otel_otlp_settings *settings) {
    for (size_t i = 0; i < settings->header_count; i++) {
        free((char *)(uintptr_t)settings->headers[i].key);
        free((char *)(uintptr_t)settings->headers[i].value);
    }
    free(settings->headers);
    free(settings->user_agent);
    *settings = (struct otel_otlp_settings){0};
}

static bool is_token(const char *key) {
    for (const char *c = key; *c != '\0'; c++) {
        bool alphanumeric = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!alphanumeric && strchr("!#$%&'*+-.^_`|~", *c) == NULL)
            return false;
    }
    return key[0] != '\0';
}

static bool is_binary(const char *key) {
    size_t len = strlen(key);
    return len > 4 && strcasecmp(key + len - 4, "-bin") == 0;
}

static bool is_printable(const char *value) {
    for (const unsigned char *c = (const unsigned char *)value; *c != '\0'; c++) {
        if (*c < 0x20 || *c > 0x7E)
            return false;
    }
    return true;
}

// What the transports write themselves; a second one of these would contradict them.
static bool is_reserved(const char *key) {
    static const char *const reserved[] = {
        "content-type",      "content-length", "content-encoding", "te",    "host", "connection",
        "transfer-encoding", "user-agent",     "accept-encoding",  "expect"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (strcasecmp(key, reserved[i]) == 0)
            return true;
    }
    return strncasecmp(key, "grpc-", 5) == 0;
}

static char *encode_base64(const char *value) {
    size_t len = strlen(value);
    char *text = malloc(fq_base64_size(len) + 1);
    if (text != NULL) {
        fq_base64_encode(value, len, text);
        text[fq_base64_size(len)] = '\0';
    }
    return text;
}

static int copy_header(const struct otel_otlp_header *header, bool for_grpc, struct otel_otlp_header *copy) {
    char *key = strdup(header->key);
    char *value = for_grpc && is_binary(header->key) ? encode_base64(header->value) : strdup(header->value);
    if (key == NULL || value == NULL) {
        free(key);
        free(value);
        return OTEL_FAILED;
    }
    for (char *c = key; for_grpc && *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
    *copy = (struct otel_otlp_header){key, value};
    return OTEL_OK;
}

static int copy_headers(const struct otel_otlp_options *options, bool for_grpc,
                        struct otel_otlp_settings *settings) {
    for (size_t i = 0; i < options->header_count; i++) {
        const struct otel_otlp_header *header = &options->headers[i];
        bool may_be_any = for_grpc && is_binary(header->key);
        if (!is_token(header->key) || is_reserved(header->key) ||
            (!may_be_any && !is_printable(header->value))) {
            otel_report(
                options->runtime, OTEL_LEVEL_WARN,
                "OTLP header \"%.64s\" is left out: its name is reserved or malformed, or its value is not "
                "printable ASCII; correct OTEL_EXPORTER_OTLP_HEADERS",
                is_token(header->key) ? header->key : "?");
            continue;
        }
        if (copy_header(header, for_grpc, &settings->headers[settings->header_count]) < 0)
            return OTEL_FAILED;
        settings->header_count++;
    }
    return OTEL_OK;
}

int otel_otlp_settings_copy(const struct otel_otlp_options *options, bool for_grpc,
                            struct otel_otlp_settings *ret_settings) {
    struct otel_otlp_settings settings = {
        .signal = options->signal,
        .user_agent = strdup(options->user_agent != NULL ? options->user_agent : "OTel-OTLP-Exporter-C"),
        .headers = calloc(options->header_count + 1, sizeof *settings.headers),
        .gzip = options->gzip,
        .response_max = options->response_max != 0 ? options->response_max : RESPONSE_MAX,
    };
    if (settings.user_agent == NULL || settings.headers == NULL ||
        copy_headers(options, for_grpc, &settings) < 0) {
        otel_otlp_settings_done(&settings);
        return OTEL_FAILED;
    }
    *ret_settings = settings;
    return OTEL_OK;
}
