// SPDX-License-Identifier: Apache-2.0
// B3, as one header (`b3: trace-span-sampled-parent`) or as several (`X-B3-…`). Source: the B3 propagation document and the
// B3 rules of the context specification: the parent's id is not passed on, debug is and means sampled.
#include "otel/propagation/propagation.h"

static const fq_str no_text = {"", 0};

// The parts of either form; an absent one is empty.
struct b3 {
    fq_str trace, span, sampled, flags;
};

static fq_str next_part(fq_str *rest) {
    const char *dash = rest->len > 0 ? memchr(rest->ptr, '-', rest->len) : NULL;
    fq_str part = *rest;
    if (dash == NULL) {
        *rest = no_text;
        return part;
    }
    part.len = (size_t)(dash - rest->ptr);
    *rest = (fq_str){dash + 1, rest->len - part.len - 1};
    return part;
}

static otel_context *from_parts(const otel_context *context, const struct b3 *parts) {
    struct otel_span_context span = {.remote = true};
    bool is_debug = fq_str_equal(parts->flags, FQ_STR("1")) || fq_str_equal(parts->sampled, FQ_STR("d"));
    bool is_sampled = is_debug || fq_str_equal(parts->sampled, FQ_STR("1")) ||
                      fq_str_equal_nocase(parts->sampled, FQ_STR("true"));
    bool is_known = is_sampled || parts->sampled.len == 0 || fq_str_equal(parts->sampled, FQ_STR("0")) ||
                    fq_str_equal_nocase(parts->sampled, FQ_STR("false"));
    bool has_lengths = (parts->trace.len == 16 || parts->trace.len == 32) && parts->span.len == 16;
    if (!is_known || !has_lengths || !otel_read_hex(parts->trace, span.trace_id, sizeof span.trace_id) ||
        !otel_read_hex(parts->span, span.span_id, sizeof span.span_id) || !otel_span_context_is_valid(&span))
        return NULL;
    span.flags = is_sampled ? OTEL_FLAG_SAMPLED : 0;
    otel_context *made = otel_extracted(context, &span, NULL, 0);
    return is_debug ? otel_context_with_debug(made) : made;
}

static otel_context *extract_single(const otel_context *context, const struct otel_carrier_reader *reader) {
    fq_str rest;
    if (!otel_carrier_get(reader, "b3", 0, &rest))
        return NULL;
    struct b3 parts = {.flags = no_text};
    parts.trace = next_part(&rest);
    parts.span = next_part(&rest);
    parts.sampled = next_part(&rest);
    fq_str parent = next_part(&rest);
    return rest.len == 0 && (parent.len == 0 || parent.len == 16) ? from_parts(context, &parts) : NULL;
}

static otel_context *extract_multi(const otel_context *context, const struct otel_carrier_reader *reader) {
    struct b3 parts = {no_text, no_text, no_text, no_text};
    (void)otel_carrier_get(reader, "x-b3-traceid", 0, &parts.trace);
    (void)otel_carrier_get(reader, "x-b3-spanid", 0, &parts.span);
    (void)otel_carrier_get(reader, "x-b3-sampled", 0, &parts.sampled);
    (void)otel_carrier_get(reader, "x-b3-flags", 0, &parts.flags);
    return from_parts(context, &parts);
}

// Whatever is injected, either form is understood; the single one first.
static otel_context *extract(void *self, const otel_context *context,
                             const struct otel_carrier_reader *reader) {
    (void)self;
    otel_context *made = extract_single(context, reader);
    if (made == NULL)
        made = extract_multi(context, reader);
    return made != NULL ? made : otel_context_retain(context);
}

struct ids {
    char trace[32], span[16];
    bool sampled, debug;
};

static bool read_ids(const otel_context *context, struct ids *ids) {
    struct otel_span_context span;
    if (!otel_context_span_context(context, &span, NULL, NULL) || !otel_span_context_is_valid(&span))
        return false;
    otel_write_hex(span.trace_id, sizeof span.trace_id, ids->trace);
    otel_write_hex(span.span_id, sizeof span.span_id, ids->span);
    ids->sampled = (span.flags & OTEL_FLAG_SAMPLED) != 0;
    ids->debug = otel_context_is_debug(context);
    return true;
}

static void inject_single(void *self, const otel_context *context, const struct otel_carrier_writer *writer) {
    (void)self;
    struct ids ids;
    char text[32 + 1 + 16 + 1 + 1];
    if (!read_ids(context, &ids))
        return;
    memcpy(text, ids.trace, 32);
    text[32] = '-';
    memcpy(text + 33, ids.span, 16);
    text[49] = '-';
    text[50] = ids.debug ? 'd' : ids.sampled ? '1' : '0';
    otel_carrier_set(writer, "b3", text, sizeof text);
}

static void inject_multi(void *self, const otel_context *context, const struct otel_carrier_writer *writer) {
    (void)self;
    struct ids ids;
    if (!read_ids(context, &ids))
        return;
    otel_carrier_set(writer, "x-b3-traceid", ids.trace, sizeof ids.trace);
    otel_carrier_set(writer, "x-b3-spanid", ids.span, sizeof ids.span);
    if (ids.debug) // says "sampled" by itself
        otel_carrier_set(writer, "x-b3-flags", "1", 1);
    else
        otel_carrier_set(writer, "x-b3-sampled", ids.sampled ? "1" : "0", 1);
}

static const char *const single_fields[] = {"b3", NULL};
static const char *const multi_fields[] = {"x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags", NULL};
const struct otel_propagator_ops otel_propagate_b3 = {
    .inject = inject_single, .extract = extract, .fields = single_fields};
const struct otel_propagator_ops otel_propagate_b3multi = {
    .inject = inject_multi, .extract = extract, .fields = multi_fields};
