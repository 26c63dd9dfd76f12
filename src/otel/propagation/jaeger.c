// SPDX-License-Identifier: Apache-2.0
// Jaeger's own headers: `uber-trace-id: trace:span:parent:flags`, and baggage as `uberctx-<key>` or `jaeger-baggage`.
// Source: Jaeger's client library documentation, "propagation format".
#include "otel/propagation/propagation.h"

#include <stdio.h>
#include <stdlib.h>

enum { FLAG_SAMPLED = 1, FLAG_DEBUG = 2, HEADER_MAX = 256, KEY_MAX = 256, CARRIER_KEYS_MAX = 4096 };
static const char baggage_prefix[] = "uberctx-";

// The header may come with its colons percent-encoded.
static size_t unescape(fq_str text, char *out) {
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte;
        if (text.ptr[i] == '%' && text.len - i > 2 &&
            otel_read_hex((fq_str){text.ptr + i + 1, 2}, &byte, 1)) {
            out[len++] = (char)byte;
            i += 2;
        } else {
            out[len++] = text.ptr[i];
        }
    }
    return len;
}

static fq_str next_part(fq_str *rest) {
    const char *colon = rest->len > 0 ? memchr(rest->ptr, ':', rest->len) : NULL;
    fq_str part = *rest;
    if (colon == NULL) {
        *rest = (fq_str){"", 0};
        return part;
    }
    part.len = (size_t)(colon - rest->ptr);
    *rest = (fq_str){colon + 1, rest->len - part.len - 1};
    return part;
}

static bool read_header(fq_str header, struct otel_span_context *ret_span, bool *ret_debug) {
    char text[HEADER_MAX];
    uint8_t flags;
    if (header.len > sizeof text)
        return false;
    fq_str rest = {text, unescape(header, text)};
    fq_str trace = next_part(&rest), span = next_part(&rest);
    (void)next_part(&rest); // the parent's id, deprecated
    bool is_sound = otel_read_hex(trace, ret_span->trace_id, sizeof ret_span->trace_id) &&
                    otel_read_hex(span, ret_span->span_id, sizeof ret_span->span_id) &&
                    otel_read_hex(rest, &flags, 1) && otel_span_context_is_valid(ret_span);
    if (!is_sound)
        return false;
    *ret_debug = (flags & FLAG_DEBUG) != 0;
    ret_span->flags = (flags & (FLAG_SAMPLED | FLAG_DEBUG)) != 0 ? OTEL_FLAG_SAMPLED : 0;
    return true;
}

static void add_member(otel_baggage **baggage, const char *key, fq_str escaped) {
    char *value = escaped.len <= OTEL_BAGGAGE_BYTES_MAX ? malloc(escaped.len + 1) : NULL;
    if (value == NULL)
        return;
    value[unescape(escaped, value)] = '\0';
    otel_baggage *more = otel_baggage_with(*baggage, key, value, NULL);
    free(value);
    if (more != NULL) {
        otel_baggage_release(*baggage);
        *baggage = more;
    }
}

static otel_baggage *read_baggage(const struct otel_carrier_reader *reader) {
    fq_str value;
    char *memory;
    otel_baggage *baggage = NULL;
    if (otel_carrier_get_joined(reader, "jaeger-baggage", &value, &memory))
        baggage = otel_baggage_parse(value.ptr, value.len);
    free(memory);
    const char *key;
    for (size_t i = 0;
         reader->key_at != NULL && i < CARRIER_KEYS_MAX && (key = reader->key_at(reader->carrier, i)) != NULL;
         i++) {
        fq_str name = fq_str_of(key);
        size_t prefix = sizeof baggage_prefix - 1;
        bool is_member =
            name.len > prefix && fq_str_equal_nocase((fq_str){key, prefix}, (fq_str){baggage_prefix, prefix});
        if (is_member && otel_carrier_get(reader, key, 0, &value))
            add_member(&baggage, key + prefix, value);
    }
    return baggage;
}

static otel_context *extract(void *self, const otel_context *context,
                             const struct otel_carrier_reader *reader) {
    (void)self;
    struct otel_span_context span = {.remote = true};
    bool is_debug = false;
    fq_str header;
    otel_context *made = NULL;
    if (otel_carrier_get(reader, "uber-trace-id", 0, &header) && read_header(header, &span, &is_debug))
        made = otel_extracted(context, &span, NULL, 0);
    else
        made = otel_context_retain(context);
    if (is_debug)
        made = otel_context_with_debug(made);
    otel_context *whole = otel_extracted_baggage(made, read_baggage(reader));
    otel_context_release(made);
    return whole;
}

// Bytes outside of letters, digits and `-._~` percent-encoded; 0 when it does not fit.
static size_t escape(const char *text, char *out, size_t size) {
    size_t len = 0;
    for (; *text != '\0'; text++) {
        char c = *text;
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        c == '-' || c == '.' || c == '_' || c == '~';
        if (len + 3 > size)
            return 0;
        if (is_plain) {
            out[len++] = c;
        } else {
            out[len++] = '%';
            otel_write_hex((const uint8_t *)text, 1, out + len);
            len += 2;
        }
    }
    return len;
}

static void inject_baggage(const otel_baggage *baggage, const struct otel_carrier_writer *writer) {
    char name[sizeof baggage_prefix + KEY_MAX], text[OTEL_BAGGAGE_BYTES_MAX];
    const char *key, *value, *metadata;
    for (size_t i = 0; i < otel_baggage_count(baggage); i++) {
        otel_baggage_at(baggage, i, &key, &value, &metadata);
        size_t len = escape(value, text, sizeof text);
        if (strlen(key) > KEY_MAX || (len == 0 && value[0] != '\0'))
            continue;
        snprintf(name, sizeof name, "%s%s", baggage_prefix, key);
        otel_carrier_set(writer, name, text, len);
    }
}

static void inject(void *self, const otel_context *context, const struct otel_carrier_writer *writer) {
    (void)self;
    struct otel_span_context span;
    char text[32 + 1 + 16 + 4];
    if (otel_context_span_context(context, &span, NULL, NULL) && otel_span_context_is_valid(&span)) {
        int flags = (span.flags & OTEL_FLAG_SAMPLED) != 0 ? FLAG_SAMPLED : 0;
        otel_write_hex(span.trace_id, sizeof span.trace_id, text);
        text[32] = ':';
        otel_write_hex(span.span_id, sizeof span.span_id, text + 33);
        memcpy(text + 49, ":0:", 3);
        text[52] = (char)('0' + (otel_context_is_debug(context) ? FLAG_SAMPLED | FLAG_DEBUG : flags));
        otel_carrier_set(writer, "uber-trace-id", text, sizeof text);
    }
    inject_baggage(otel_context_baggage(context), writer);
}

static const char *const fields[] = {"uber-trace-id", NULL};
const struct otel_propagator_ops otel_propagate_jaeger = {
    .inject = inject, .extract = extract, .fields = fields};
