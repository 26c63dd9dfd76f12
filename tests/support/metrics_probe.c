// SPDX-License-Identifier: Apache-2.0
#include "support/metrics_probe.h"

#include "otel/wire/protobuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

// Calls `each` for every field; the bytes must be well formed.
typedef void (*field_visitor)(void *context, const struct otel_pb_field *field);
static void walk(const void *bytes, size_t len, field_visitor each, void *context) {
    struct otel_pb_reader reader = {.at = bytes, .end = (const uint8_t *)bytes + len};
    struct otel_pb_field field;
    int more;
    while ((more = otel_pb_next(&reader, &field)) == 1)
        each(context, &field);
    assert_int_equal(more, 0);
}

static double real(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void text(char *out, size_t size, const struct otel_pb_field *field) {
    snprintf(out, size, "%.*s", (int)field->len, (const char *)field->bytes);
}

// --- attributes ------------------------------------------------------------------------------------------------------
static void value_text(void *context, const struct otel_pb_field *field) {
    char *out = context;
    switch (field->number) {
    case 1: text(out, PROBE_TEXT, field); break;
    case 2: snprintf(out, PROBE_TEXT, "%s", field->value != 0 ? "true" : "false"); break;
    case 3: snprintf(out, PROBE_TEXT, "%lld", (long long)field->value); break;
    case 4: snprintf(out, PROBE_TEXT, "%g", real(field->value)); break;
    default: snprintf(out, PROBE_TEXT, "?"); break;
    }
}

struct pair {
    char key[PROBE_TEXT], value[PROBE_TEXT];
};
static void pair_field(void *context, const struct otel_pb_field *field) {
    struct pair *pair = context;
    if (field->number == 1)
        text(pair->key, sizeof pair->key, field);
    else
        walk(field->bytes, field->len, value_text, pair->value);
}

static void add_pair(char *out, size_t size, const struct otel_pb_field *field) {
    struct pair pair = {0};
    walk(field->bytes, field->len, pair_field, &pair);
    size_t used = strlen(out);
    snprintf(out + used, size - used, "%s%s=%s", used > 0 ? "," : "", pair.key, pair.value);
}

// --- points ----------------------------------------------------------------------------------------------------------
static void exemplar_field(void *context, const struct otel_pb_field *field) {
    struct probe_exemplar *exemplar = context;
    switch (field->number) {
    case 2: exemplar->unix_ns = (int64_t)field->value; break;
    case 3: exemplar->value = real(field->value); break;
    case 6: exemplar->value = (double)(int64_t)field->value; break;
    case 4:
        assert_int_equal(field->len, 8);
        memcpy(exemplar->span_id, field->bytes, 8);
        exemplar->has_ids = true;
        break;
    case 5:
        assert_int_equal(field->len, 16);
        memcpy(exemplar->trace_id, field->bytes, 16);
        break;
    case 7: add_pair(exemplar->filtered, sizeof exemplar->filtered, field); break;
    default: fail_msg("exemplar field %u", field->number);
    }
}

static void add_exemplar(struct probe_point *point, const struct otel_pb_field *field) {
    assert_true(point->exemplar_count < PROBE_EXEMPLARS_MAX);
    walk(field->bytes, field->len, exemplar_field, &point->exemplars[point->exemplar_count++]);
}

static void number_field(void *context, const struct otel_pb_field *field) {
    struct probe_point *point = context;
    switch (field->number) {
    case 2: point->start = (int64_t)field->value; break;
    case 3: point->time = (int64_t)field->value; break;
    case 4: point->value = real(field->value); break;
    case 5: add_exemplar(point, field); break;
    case 6:
        point->value = (double)(int64_t)field->value;
        point->is_integer = true;
        break;
    case 7: add_pair(point->attributes, sizeof point->attributes, field); break;
    case 8: point->flags = field->value; break;
    default: fail_msg("number point field %u", field->number);
    }
}

static void fixed_array(uint64_t *out, size_t *ret_count, const struct otel_pb_field *field) {
    assert_int_equal(field->len % 8, 0);
    assert_true(field->len / 8 <= PROBE_BUCKETS_MAX);
    *ret_count = field->len / 8;
    memcpy(out, field->bytes, field->len);
}

static void histogram_field(void *context, const struct otel_pb_field *field) {
    struct probe_point *point = context;
    switch (field->number) {
    case 2: point->start = (int64_t)field->value; break;
    case 3: point->time = (int64_t)field->value; break;
    case 4: point->count = field->value; break;
    case 5:
        point->sum = real(field->value);
        point->has_sum = true;
        break;
    case 6: fixed_array(point->buckets, &point->bucket_count, field); break;
    case 7: fixed_array((uint64_t *)point->bounds, &point->bound_count, field); break;
    case 8: add_exemplar(point, field); break;
    case 9: add_pair(point->attributes, sizeof point->attributes, field); break;
    case 10: point->flags = field->value; break;
    case 11: point->min = real(field->value); break;
    case 12:
        point->max = real(field->value);
        point->has_min_max = true;
        break;
    default: fail_msg("histogram point field %u", field->number);
    }
}

struct side {
    int offset;
    uint64_t *counts;
    size_t count;
};
static void side_field(void *context, const struct otel_pb_field *field) {
    struct side *side = context;
    if (field->number == 1) {
        side->offset = (int)(field->value >> 1) ^ -(int)(field->value & 1);
        return;
    }
    const uint8_t *at = field->bytes, *end = at + field->len;
    while (at < end) {
        uint64_t value = 0;
        for (int shift = 0; at < end; shift += 7) {
            value |= (uint64_t)(*at & 0x7f) << shift;
            if ((*at++ & 0x80) == 0)
                break;
        }
        assert_true(side->count < PROBE_BUCKETS_MAX);
        side->counts[side->count++] = value;
    }
}

static void exponential_field(void *context, const struct otel_pb_field *field) {
    struct probe_point *point = context;
    struct side side = {.counts = field->number == 9 ? point->negative : point->buckets};
    switch (field->number) {
    case 1: add_pair(point->attributes, sizeof point->attributes, field); break;
    case 2: point->start = (int64_t)field->value; break;
    case 3: point->time = (int64_t)field->value; break;
    case 4: point->count = field->value; break;
    case 5:
        point->sum = real(field->value);
        point->has_sum = true;
        break;
    case 6: point->scale = (int)(field->value >> 1) ^ -(int)(field->value & 1); break;
    case 7: point->zero_count = field->value; break;
    case 8:
        walk(field->bytes, field->len, side_field, &side);
        point->offset = side.offset;
        point->bucket_count = side.count;
        break;
    case 9:
        walk(field->bytes, field->len, side_field, &side);
        point->negative_offset = side.offset;
        point->negative_count = side.count;
        break;
    case 11: add_exemplar(point, field); break;
    case 12: point->min = real(field->value); break;
    case 13:
        point->max = real(field->value);
        point->has_min_max = true;
        break;
    default: fail_msg("exponential point field %u", field->number);
    }
}

// --- metrics, scopes, resources --------------------------------------------------------------------------------------
struct walk_state {
    struct probe *probe;
    struct probe_point head; // what all points of a metric share
    size_t first_of_metric, first_of_scope;
};

static void data_field(void *context, const struct otel_pb_field *field) {
    struct walk_state *state = context;
    struct probe *probe = state->probe;
    if (field->number == 1) {
        assert_true(probe->count < PROBE_POINTS_MAX);
        struct probe_point *point = &probe->points[probe->count++];
        *point = state->head;
        walk(field->bytes, field->len,
             state->head.shape == 9    ? histogram_field
             : state->head.shape == 10 ? exponential_field
                                       : number_field,
             point);
        return;
    }
    for (size_t i = state->first_of_metric; i < probe->count; i++) {
        if (field->number == 2)
            probe->points[i].temporality = (int)field->value;
        else
            probe->points[i].monotonic = field->value != 0;
    }
}

static void metric_field(void *context, const struct otel_pb_field *field) {
    struct walk_state *state = context;
    switch (field->number) {
    case 1: text(state->head.name, PROBE_TEXT, field); break;
    case 2: text(state->head.description, PROBE_TEXT, field); break;
    case 3: text(state->head.unit, PROBE_TEXT, field); break;
    default:
        state->head.shape = (int)field->number;
        state->first_of_metric = state->probe->count;
        walk(field->bytes, field->len, data_field, state);
        assert_true(state->probe->count > state->first_of_metric); // no empty metrics
    }
}

static void scope_info_field(void *context, const struct otel_pb_field *field) {
    struct walk_state *state = context;
    if (field->number == 1)
        text(state->head.scope, PROBE_TEXT, field);
}

static void scope_field(void *context, const struct otel_pb_field *field) {
    struct walk_state *state = context;
    if (field->number == 1) {
        walk(field->bytes, field->len, scope_info_field, state);
    } else if (field->number == 2) {
        memset(state->head.name, 0, sizeof state->head.name * 3);
        walk(field->bytes, field->len, metric_field, state);
    } else {
        for (size_t i = state->first_of_scope; i < state->probe->count; i++)
            text(state->probe->points[i].schema_url, PROBE_TEXT, field);
    }
}

static void resource_info_field(void *context, const struct otel_pb_field *field) {
    struct walk_state *state = context;
    if (field->number == 1)
        add_pair(state->probe->resource, sizeof state->probe->resource, field);
}

static void resource_field(void *context, const struct otel_pb_field *field) {
    struct walk_state *state = context;
    if (field->number == 1) {
        walk(field->bytes, field->len, resource_info_field, state);
    } else if (field->number == 2) {
        size_t before = state->probe->count;
        state->head = (struct probe_point){0};
        state->first_of_scope = before;
        walk(field->bytes, field->len, scope_field, state);
        assert_true(state->probe->count > before); // no empty scopes
    } else {
        text(state->probe->resource_schema_url, PROBE_TEXT, field);
    }
}

static void data_root(void *context, const struct otel_pb_field *field) {
    walk(field->bytes, field->len, resource_field, context);
}

void probe_read(struct probe *probe, const void *bytes, size_t len) {
    if (probe->points == NULL)
        probe->points = calloc(PROBE_POINTS_MAX, sizeof *probe->points);
    assert_non_null(probe->points);
    probe->count = 0;
    memset(probe->resource, 0, sizeof probe->resource);
    struct walk_state state = {.probe = probe};
    walk(bytes, len, data_root, &state);
}

void probe_collect(struct probe *probe, otel_meter_provider *provider, size_t reader) {
    fq_buf out = {0};
    size_t points = 0;
    assert_int_equal(otel_meter_provider_collect(provider, reader, &out, &points), OTEL_OK);
    probe_read(probe, fq_buf_str(&out).ptr, fq_buf_len(&out));
    assert_int_equal(points, probe->count);
    fq_buf_done(&out);
}

void probe_done(struct probe *probe) {
    free(probe->points);
    probe->points = NULL;
}

const struct probe_point *probe_find(const struct probe *probe, const char *name, const char *attributes) {
    for (size_t i = 0; i < probe->count; i++) {
        const struct probe_point *point = &probe->points[i];
        if (strcmp(point->name, name) == 0 &&
            (attributes == NULL || strcmp(point->attributes, attributes) == 0))
            return point;
    }
    return NULL;
}

size_t probe_count(const struct probe *probe, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < probe->count; i++)
        count += strcmp(probe->points[i].name, name) == 0 ? 1 : 0;
    return count;
}

// --- the world -------------------------------------------------------------------------------------------------------
static int64_t world_unix_ns(void *context) {
    const struct probe_world *world = context;
    return world->unix_ns;
}

static int64_t world_monotonic_ns(void *context) {
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void world_trace_id(void *context, uint8_t id[16]) {
    (void)context;
    memset(id, 7, 16);
}

static void world_span_id(void *context, uint8_t id[8]) {
    (void)context;
    memset(id, 9, 8);
}

static void world_report(void *context, enum otel_log_level level, const char *line) {
    struct probe_world *world = context;
    (void)level;
    size_t used = strlen(world->reports);
    snprintf(world->reports + used, sizeof world->reports - used, "%s\n", line);
    world->report_count++;
}

void probe_world_init(struct probe_world *world) {
    memset(world, 0, sizeof *world);
    world->unix_ns = 1000;
    world->runtime = (struct otel_runtime){
        .clock = {world_unix_ns,     world_monotonic_ns, world},
        .ids = {.trace_id = world_trace_id,                 .span_id = world_span_id,          .context = world},
        .diagnostics = {world_report, world         }
    };
}

otel_meter_provider *probe_provider(struct probe_world *world, const struct otel_reader_options *reader) {
    static const struct otel_reader_options cumulative;
    struct otel_meter_provider_options options = {
        .runtime = &world->runtime, .readers = reader != NULL ? reader : &cumulative, .reader_count = 1};
    otel_meter_provider *provider = otel_meter_provider_new(&options);
    assert_non_null(provider);
    return provider;
}
