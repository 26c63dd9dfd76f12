// SPDX-License-Identifier: Apache-2.0
// MetricsData into families and series.
#include "otel/exporters/prometheus_model.h"

#include "otel/wire/protobuf.h"

#include <math.h>
#include <stdlib.h>

enum { SHAPE_GAUGE = 5, SHAPE_SUM = 7, SHAPE_HISTOGRAM = 9, SHAPE_EXPONENTIAL = 10, TEMPORALITY_DELTA = 1 };
enum { EXPONENTIAL_SCALE_MAX = 2, EXPONENTIAL_SPAN_MAX = 128 };

struct reading {
    struct otel_prometheus_families *families;
    fq_buf scope; // labels of the current scope
    struct otel_prometheus_family *family;
    uint32_t shape;
    bool is_delta;
};

static struct otel_pb_reader reader_of(const struct otel_pb_field *field) {
    return (struct otel_pb_reader){.at = field->bytes, .end = field->bytes + field->len};
}
static fq_str str_of(const struct otel_pb_field *field) {
    return field->type == OTEL_PB_BYTES ? (fq_str){(const char *)field->bytes, field->len} : FQ_STR("");
}
static double real(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// --- points ----------------------------------------------------------------------------------------------------------
struct point {
    struct otel_prometheus_label_list labels;
    bool is_exact, has_no_value;
    uint64_t number, zero_count, count;
    double sum;
    fq_str buckets, bounds;
    struct otel_pb_field positive;
    int32_t scale;
    struct otel_prometheus_exemplar exemplars[64];
    size_t exemplar_count;
};

static void read_exemplar(struct point *point, const struct otel_pb_field *bytes) {
    struct otel_prometheus_exemplar exemplar = {0};
    struct otel_pb_reader reader = reader_of(bytes);
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) == 1) {
        switch (field.number) {
        case 2: exemplar.wall_us = (int64_t)(field.value / 1000); break;
        case 3: exemplar.value = real(field.value); break;
        case 6: exemplar.value = (double)(int64_t)field.value; break;
        case 4:
            if (field.type == OTEL_PB_BYTES && field.len == sizeof exemplar.span_id)
                memcpy(exemplar.span_id, field.bytes, field.len);
            break;
        case 5:
            if (field.type == OTEL_PB_BYTES && field.len == sizeof exemplar.trace_id)
                memcpy(exemplar.trace_id, field.bytes, field.len);
            break;
        default: break;
        }
    }
    if (exemplar.wall_us != 0 && point->exemplar_count < 64)
        point->exemplars[point->exemplar_count++] = exemplar;
}

static void read_number_field(struct point *point, const struct otel_pb_field *field) {
    switch (field->number) {
    case 4: point->number = field->value; break;
    case 5: read_exemplar(point, field); break;
    case 6:
        point->number = field->value;
        point->is_exact = true;
        break;
    case 7: otel_prometheus_labels_put(&point->labels, "", field->bytes, field->len); break;
    case 8: point->has_no_value = (field->value & 1) != 0; break;
    default: break;
    }
}

static void read_histogram_field(struct point *point, const struct otel_pb_field *field) {
    switch (field->number) {
    case 4: point->count = field->value; break;
    case 5: point->sum = real(field->value); break;
    case 6: point->buckets = str_of(field); break;
    case 7: point->bounds = str_of(field); break;
    case 8: read_exemplar(point, field); break;
    case 9: otel_prometheus_labels_put(&point->labels, "", field->bytes, field->len); break;
    case 10: point->has_no_value = (field->value & 1) != 0; break;
    default: break;
    }
}

static void read_exponential_field(struct point *point, const struct otel_pb_field *field) {
    switch (field->number) {
    case 1: otel_prometheus_labels_put(&point->labels, "", field->bytes, field->len); break;
    case 4: point->count = field->value; break;
    case 5: point->sum = real(field->value); break;
    case 6: point->scale = (int32_t)(field->value >> 1) ^ -(int32_t)(field->value & 1); break;
    case 7: point->zero_count = field->value; break;
    case 8: point->positive = *field; break;
    case 10: point->has_no_value = (field->value & 1) != 0; break;
    case 11: read_exemplar(point, field); break;
    default: break;
    }
}

// --- into series -----------------------------------------------------------------------------------------------------
static bool keep_exemplars(struct otel_prometheus_series *series, const struct point *point, size_t count) {
    if (point->exemplar_count == 0)
        return true;
    if (series->exemplars == NULL)
        series->exemplars = calloc(count, sizeof *series->exemplars);
    for (size_t i = 0; series->exemplars != NULL && i < point->exemplar_count; i++) {
        size_t at = 0;
        while (at < series->bound_count && series->bounds[at] < point->exemplars[i].value)
            at++;
        if (point->exemplars[i].wall_us >= series->exemplars[at].wall_us)
            series->exemplars[at] = point->exemplars[i];
    }
    return series->exemplars != NULL;
}

static void take_number(struct otel_prometheus_series *series, const struct point *point, bool adds) {
    bool was_exact = series->is_exact;
    series->is_exact = point->is_exact;
    if (point->is_exact) {
        series->exact = (adds && was_exact ? series->exact : 0) + point->number;
    } else {
        double value = real(point->number);
        series->value = (adds ? series->value : 0) + value;
    }
    (void)keep_exemplars(series, point, 1);
}

static bool has_bounds(const struct otel_prometheus_series *series, const double *bounds, size_t count) {
    return series->buckets != NULL && series->bound_count == count &&
           memcmp(series->bounds, bounds, count * sizeof *bounds) == 0;
}

// Other bounds than before: what was added up so far is of no use. Without memory the series stays as it was.
static bool set_bounds(struct otel_prometheus_series *series, const double *bounds, size_t count) {
    double *new_bounds = malloc((count + 1) * sizeof *bounds);
    uint64_t *new_buckets = calloc(count + 1, sizeof *new_buckets);
    if (new_bounds == NULL || new_buckets == NULL) {
        free(new_bounds);
        free(new_buckets);
        return false;
    }
    memcpy(new_bounds, bounds, count * sizeof *bounds);
    free(series->bounds);
    free(series->buckets);
    free(series->exemplars);
    series->bounds = new_bounds;
    series->buckets = new_buckets;
    series->exemplars = NULL;
    series->bound_count = count;
    series->sum = 0;
    return true;
}

static bool take_buckets(struct otel_prometheus_series *series, const struct point *point,
                         const double *bounds, const uint64_t *buckets, size_t bound_count, bool adds) {
    if (!has_bounds(series, bounds, bound_count) && !set_bounds(series, bounds, bound_count))
        return false;
    for (size_t i = 0; i <= bound_count; i++)
        series->buckets[i] = (adds ? series->buckets[i] : 0) + buckets[i];
    series->sum = (adds ? series->sum : 0) + point->sum;
    (void)keep_exemplars(series, point, bound_count + 1);
    return true;
}

static bool take_histogram(struct otel_prometheus_series *series, const struct point *point, bool adds) {
    double bounds[OTEL_PROMETHEUS_BOUNDS_MAX];
    uint64_t buckets[OTEL_PROMETHEUS_BOUNDS_MAX + 1];
    size_t count = point->bounds.len / sizeof(double);
    bool has_buckets =
        point->buckets.len == (count + 1) * sizeof(uint64_t) && count <= OTEL_PROMETHEUS_BOUNDS_MAX;
    bool has_none = point->buckets.len == 0 && count == 0;
    if (!has_buckets && !has_none)
        return false;
    if (count > 0)
        memcpy(bounds, point->bounds.ptr, count * sizeof(double));
    if (has_buckets)
        memcpy(buckets, point->buckets.ptr, point->buckets.len);
    else
        buckets[0] = point->count;
    return take_buckets(series, point, bounds, buckets, count, adds);
}

// --- exponential histograms: bounds at powers of two, of a resolution that classic buckets can bear --------------------
struct side {
    int32_t offset;
    uint64_t counts[1024];
    size_t count;
};

static bool read_side(const struct otel_pb_field *bytes, struct side *side) {
    struct otel_pb_reader reader = reader_of(bytes);
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) == 1) {
        if (field.number == 1)
            side->offset = (int32_t)(field.value >> 1) ^ -(int32_t)(field.value & 1);
        if (field.number != 2 || field.type != OTEL_PB_BYTES)
            continue;
        for (const uint8_t *at = field.bytes, *end = at + field.len; at < end && side->count < 1024;) {
            uint64_t value = 0;
            for (int shift = 0; at < end && shift < 64; shift += 7) {
                value |= (uint64_t)(*at & 0x7f) << shift;
                if ((*at++ & 0x80) == 0)
                    break;
            }
            side->counts[side->count++] = value;
        }
    }
    return side->count < 1024;
}

static bool take_exponential(struct otel_prometheus_series *series, const struct point *point, bool adds) {
    struct side side = {0};
    if (point->positive.bytes != NULL && !read_side(&point->positive, &side))
        return false;
    int32_t shift = point->scale > EXPONENTIAL_SCALE_MAX ? point->scale - EXPONENTIAL_SCALE_MAX : 0;
    int64_t first = side.offset, last = first + (int64_t)side.count - 1;
    while (shift < 31 && side.count > 0 && (last >> shift) - (first >> shift) + 1 > EXPONENTIAL_SPAN_MAX)
        shift++;
    double bounds[EXPONENTIAL_SPAN_MAX + 1] = {0};
    uint64_t buckets[EXPONENTIAL_SPAN_MAX + 2] = {0}, positive = 0;
    size_t count = 1;
    for (size_t i = 0; i < side.count; i++) {
        int64_t at = ((first + (int64_t)i) >> shift) - (first >> shift);
        buckets[1 + at] += side.counts[i];
        positive += side.counts[i];
        count = (size_t)at + 2;
    }
    for (size_t i = 1; i < count; i++)
        bounds[i] = exp2((double)((first >> shift) + (int64_t)i) * exp2(shift - point->scale));
    while (count > 1 && !isfinite(bounds[count - 1]))
        count--;
    buckets[0] = point->count > positive ? point->count - positive : 0; // zero and below
    return take_buckets(series, point, bounds, buckets, count, adds);
}

// --- points of a metric ----------------------------------------------------------------------------------------------
static bool take_values(struct otel_prometheus_series *series, const struct point *point, uint32_t shape,
                        bool adds) {
    switch (shape) {
    case SHAPE_HISTOGRAM: return take_histogram(series, point, adds);
    case SHAPE_EXPONENTIAL: return take_exponential(series, point, adds);
    default: take_number(series, point, adds); return true;
    }
}

// A series without values is none that was seen: it has nothing to show.
static bool take_point(struct reading *reading, struct otel_prometheus_series *series,
                       const struct point *point) {
    // A series that is read a second time in one take goes on as it was: its first values stay.
    bool is_again = series->take == reading->families->take && !reading->is_delta;
    if (is_again)
        return true;
    if (!take_values(series, point, reading->shape, reading->is_delta))
        return false;
    series->take = reading->families->take;
    series->is_delta = reading->is_delta;
    return true;
}

static int read_point(struct reading *reading, const struct otel_pb_field *bytes) {
    struct point point = {.labels = {.strategy = reading->families->options.strategy}};
    struct otel_pb_reader reader = reader_of(bytes);
    struct otel_pb_field field;
    int more;
    fq_str scope = fq_buf_str(&reading->scope);
    point.labels.failed = fq_buf_append(&point.labels.key, scope.ptr, scope.len);
    while ((more = otel_pb_next(&reader, &field)) == 1) {
        if (reading->shape == SHAPE_HISTOGRAM)
            read_histogram_field(&point, &field);
        else if (reading->shape == SHAPE_EXPONENTIAL)
            read_exponential_field(&point, &field);
        else
            read_number_field(&point, &field);
    }
    int result = more < 0 || point.labels.failed != 0 ? OTEL_FAILED : OTEL_OK;
    if (result == OTEL_OK && !point.has_no_value) {
        struct otel_prometheus_series *series =
            otel_prometheus_series_get(reading->family, fq_buf_str(&point.labels.key));
        result = series != NULL && take_point(reading, series, &point) ? OTEL_OK : OTEL_FAILED;
    }
    fq_buf_done(&point.labels.key);
    return result;
}

static enum otel_prometheus_type type_of(uint32_t shape, bool is_monotonic) {
    if (shape == SHAPE_HISTOGRAM || shape == SHAPE_EXPONENTIAL)
        return OTEL_PROMETHEUS_HISTOGRAM;
    return shape == SHAPE_SUM && is_monotonic ? OTEL_PROMETHEUS_COUNTER : OTEL_PROMETHEUS_GAUGE;
}

// What a sum is stands behind its points: it is looked for first.
static int read_metric(struct reading *reading, const struct otel_pb_field *bytes) {
    struct otel_pb_reader reader = reader_of(bytes);
    struct otel_pb_field field, data = {0};
    struct otel_prometheus_family_wanted wanted = {
        .name = FQ_STR(""), .unit = FQ_STR(""), .help = FQ_STR("")};
    bool is_monotonic = false;
    reading->is_delta = false;
    while (otel_pb_next(&reader, &field) == 1) {
        if (field.type != OTEL_PB_BYTES)
            continue;
        switch (field.number) {
        case 1: wanted.name = str_of(&field); break;
        case 2: wanted.help = str_of(&field); break;
        case 3: wanted.unit = str_of(&field); break;
        case SHAPE_GAUGE:
        case SHAPE_SUM:
        case SHAPE_HISTOGRAM:
        case SHAPE_EXPONENTIAL: data = field; break;
        default: break;
        }
    }
    struct otel_pb_reader points = reader_of(&data);
    while (data.bytes != NULL && otel_pb_next(&points, &field) == 1) {
        is_monotonic = is_monotonic || (field.number == 3 && field.value != 0);
        reading->is_delta = reading->is_delta || (field.number == 2 && field.value == TEMPORALITY_DELTA);
    }
    reading->shape = data.number;
    wanted.type = type_of(data.number, is_monotonic);
    reading->family = data.bytes != NULL ? otel_prometheus_family_get(reading->families, &wanted) : NULL;
    points = reader_of(&data);
    int result = OTEL_OK, more = 0;
    while (reading->family != NULL && result == OTEL_OK && (more = otel_pb_next(&points, &field)) == 1) {
        if (field.number == 1 && field.type == OTEL_PB_BYTES)
            result = read_point(reading, &field);
    }
    return more < 0 ? OTEL_FAILED : result;
}

// --- scopes and resource ---------------------------------------------------------------------------------------------
static int read_scope_labels(struct reading *reading, const struct otel_pb_field *scope, fq_str schema_url) {
    struct otel_prometheus_label_list list = {.strategy = reading->families->options.strategy};
    struct otel_pb_field field;
    struct otel_pb_reader reader = reader_of(scope);
    fq_str name = FQ_STR(""), version = FQ_STR("");
    while (scope->bytes != NULL && otel_pb_next(&reader, &field) == 1) {
        if (field.number == 1)
            name = str_of(&field);
        else if (field.number == 2)
            version = str_of(&field);
        else if (field.number == 3 && field.type == OTEL_PB_BYTES)
            otel_prometheus_labels_put(&list, "otel_scope_", field.bytes, field.len);
    }
    otel_prometheus_labels_put_text(&list, FQ_STR("otel_scope_name"), name);
    if (version.len > 0)
        otel_prometheus_labels_put_text(&list, FQ_STR("otel_scope_version"), version);
    if (schema_url.len > 0)
        otel_prometheus_labels_put_text(&list, FQ_STR("otel_scope_schema_url"), schema_url);
    fq_buf_done(&reading->scope);
    reading->scope = list.key;
    return list.failed == 0 ? OTEL_OK : OTEL_FAILED;
}

static int read_scope(struct reading *reading, const struct otel_pb_field *bytes) {
    struct otel_pb_reader reader = reader_of(bytes);
    struct otel_pb_field field, scope = {0};
    fq_str schema_url = FQ_STR("");
    while (otel_pb_next(&reader, &field) == 1) {
        if (field.number == 1 && field.type == OTEL_PB_BYTES)
            scope = field;
        else if (field.number == 3)
            schema_url = str_of(&field);
    }
    int result = OTEL_OK, more;
    fq_buf_clear(&reading->scope);
    if (!reading->families->options.without_scope_info)
        result = read_scope_labels(reading, &scope, schema_url);
    reader = reader_of(bytes);
    while ((more = otel_pb_next(&reader, &field)) == 1 && result == OTEL_OK) {
        if (field.number == 2 && field.type == OTEL_PB_BYTES)
            result = read_metric(reading, &field);
    }
    return more < 0 ? OTEL_FAILED : result;
}

static int read_resource(struct reading *reading, const struct otel_pb_field *bytes) {
    struct otel_prometheus_label_list list = {.strategy = reading->families->options.strategy};
    struct otel_pb_reader reader = reader_of(bytes);
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) == 1) {
        if (field.number == 1 && field.type == OTEL_PB_BYTES)
            otel_prometheus_labels_put(&list, "", field.bytes, field.len);
    }
    fq_buf_done(&reading->families->target);
    reading->families->target = list.key;
    return list.failed == 0 ? OTEL_OK : OTEL_FAILED;
}

static int read_resource_metrics(struct reading *reading, const struct otel_pb_field *bytes) {
    struct otel_pb_reader reader = reader_of(bytes);
    struct otel_pb_field field;
    int more, result = OTEL_OK;
    while ((more = otel_pb_next(&reader, &field)) == 1 && result == OTEL_OK) {
        if (field.type == OTEL_PB_BYTES && field.number == 1)
            result = read_resource(reading, &field);
        else if (field.type == OTEL_PB_BYTES && field.number == 2)
            result = read_scope(reading, &field);
    }
    return more < 0 ? OTEL_FAILED : result;
}

int otel_prometheus_families_take(otel_prometheus_families *families, const void *bytes, size_t len) {
    struct reading reading = {.families = families};
    struct otel_pb_reader reader = {.at = bytes, .end = (const uint8_t *)bytes + len};
    struct otel_pb_field field;
    int more, result = OTEL_OK;
    families->take++;
    while ((more = otel_pb_next(&reader, &field)) == 1 && result == OTEL_OK) {
        if (field.type == OTEL_PB_BYTES && field.number == 1)
            result = read_resource_metrics(&reading, &field);
    }
    fq_buf_done(&reading.scope);
    otel_prometheus_families_sweep(families);
    return more < 0 ? OTEL_FAILED : result;
}
