// SPDX-License-Identifier: Apache-2.0
// Meters and instruments: made once, found again by what they are.
#include "otel/metrics/model.h"

#include "otel/wire/attribute.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum { NAME_MAX_BYTES = 255, UNIT_MAX_BYTES = 63 };

static const char *or_empty(const char *text) {
    return text != NULL ? text : "";
}

static bool name_is_valid(const char *name) {
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_BYTES || !isalpha((unsigned char)name[0]) || (name[0] & 0x80) != 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c > 0x7f || (!isalnum(c) && strchr("_.-/", c) == NULL))
            return false;
    }
    return true;
}

static bool unit_is_valid(const char *unit) {
    for (const char *c = unit; *c != 0; c++) {
        if ((unsigned char)*c > 0x7f)
            return false;
    }
    return strlen(unit) <= UNIT_MAX_BYTES;
}

// --- meters ----------------------------------------------------------------------------------------------------------
// The scope as its message; its bytes are also what tells scopes apart, with the schema URL.
static bool encode_scope(const struct otel_scope_info *scope, fq_buf *out) {
    size_t size = otel_scope_size_max(scope) + 1; // an empty buffer has no end to write at
    if (fq_buf_reserve(out, size) != 0)
        return false;
    struct otel_pb pb = otel_pb_begin(fq_buf_tail(out), size);
    otel_pb_scope(&pb, scope);
    if (!pb.failed)
        fq_buf_commit(out, (size_t)(pb.at - (uint8_t *)fq_buf_tail(out)));
    return !pb.failed;
}

bool otel_scope_copy(struct otel_pool *pool, const struct otel_scope_info *scope, const uint8_t **ret_bytes,
                     uint32_t *ret_len) {
    fq_buf bytes = {0};
    bool done = encode_scope(scope, &bytes);
    void *copy = done ? otel_pool_take(pool, fq_buf_len(&bytes) + 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, fq_buf_str(&bytes).ptr, fq_buf_len(&bytes));
        *ret_bytes = copy;
        *ret_len = (uint32_t)fq_buf_len(&bytes);
    }
    fq_buf_done(&bytes);
    return copy != NULL;
}

static struct otel_meter *find_meter(struct otel_meter_provider *provider,
                                     const struct otel_scope_info *scope, const uint8_t *bytes,
                                     uint32_t len) {
    for (struct otel_meter *meter = atomic_load_explicit(&provider->first_meter, memory_order_acquire);
         meter != NULL; meter = atomic_load_explicit(&meter->next, memory_order_acquire)) {
        if (meter->scope_len == len && memcmp(meter->scope_bytes, bytes, len) == 0 &&
            strcmp(meter->scope.schema_url, or_empty(scope->schema_url)) == 0)
            return meter;
    }
    return NULL;
}

static bool copy_info(struct otel_pool *pool, const struct otel_scope_info *scope,
                      struct otel_scope_info *ret) {
    ret->name = otel_pool_text(pool, or_empty(scope->name), strlen(or_empty(scope->name)));
    ret->version = otel_pool_text(pool, or_empty(scope->version), strlen(or_empty(scope->version)));
    ret->schema_url = otel_pool_text(pool, or_empty(scope->schema_url), strlen(or_empty(scope->schema_url)));
    return ret->name != NULL && ret->version != NULL && ret->schema_url != NULL;
}

static struct otel_meter *new_meter(struct otel_meter_provider *provider,
                                    const struct otel_scope_info *scope) {
    struct otel_meter *meter = otel_pool_take(&provider->pool, sizeof *meter);
    if (meter == NULL || !copy_info(&provider->pool, scope, &meter->scope) ||
        !otel_scope_copy(&provider->pool, scope, &meter->scope_bytes, &meter->scope_len))
        return NULL;
    meter->provider = provider;
    provider->objects++;
    if (meter->scope.name[0] == 0)
        otel_report(
            provider->runtime, OTEL_LEVEL_WARN,
            "metrics: a meter without a name was asked for; it works, but nobody can tell whose it is");
    if (provider->last_meter != NULL)
        atomic_store_explicit(&provider->last_meter->next, meter, memory_order_release);
    else
        atomic_store_explicit(&provider->first_meter, meter, memory_order_release);
    provider->last_meter = meter;
    return meter;
}

otel_meter *otel_meter_get(otel_meter_provider *provider, const struct otel_scope_info *scope) {
    static const struct otel_scope_info nameless;
    if (provider == NULL)
        return NULL;
    scope = scope != NULL ? scope : &nameless;
    fq_buf bytes = {0};
    struct otel_meter *meter = NULL;
    if (encode_scope(scope, &bytes)) {
        pthread_mutex_lock(&provider->lock);
        meter = find_meter(provider, scope, (const uint8_t *)fq_buf_str(&bytes).ptr,
                           (uint32_t)fq_buf_len(&bytes));
        if (meter == NULL)
            meter = new_meter(provider, scope);
        pthread_mutex_unlock(&provider->lock);
    }
    fq_buf_done(&bytes);
    return meter;
}

const char *otel_meter_name(const otel_meter *meter) {
    return meter != NULL ? meter->scope.name : "";
}

// --- instruments -----------------------------------------------------------------------------------------------------
static void warn(const struct otel_meter *meter, const char *name, const char *what) {
    otel_report(meter->provider->runtime, OTEL_LEVEL_WARN, "metrics: instrument '%s' of meter '%s': %s", name,
                meter->scope.name, what);
}

// The same name in whatever case is the same instrument, if all that makes its points is the same too. *ret_name: the
// spelling that was seen first.
static struct otel_instrument *find_instrument(struct otel_meter *meter,
                                               const struct otel_instrument_options *options,
                                               const char **ret_name) {
    struct otel_instrument *instrument = atomic_load_explicit(&meter->first, memory_order_acquire);
    for (; instrument != NULL; instrument = atomic_load_explicit(&instrument->next, memory_order_acquire)) {
        if (strcasecmp(instrument->name, or_empty(options->name)) != 0)
            continue;
        *ret_name = instrument->name;
        if (instrument->kind == options->kind && instrument->integer == options->integer &&
            strcmp(instrument->unit, or_empty(options->unit)) == 0)
            break;
    }
    return instrument;
}

static bool bounds_are_valid(const double *bounds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!(bounds[i] - bounds[i] == 0) || (i > 0 && !(bounds[i - 1] < bounds[i])))
            return false;
    }
    return count < 1024;
}

static bool copy_advice(struct otel_instrument *instrument, const struct otel_instrument_options *options) {
    struct otel_pool *pool = &instrument->meter->provider->pool;
    if (options->bounds != NULL && !bounds_are_valid(options->bounds, options->bound_count)) {
        warn(instrument->meter, instrument->name,
             "bounds must be finite and ascending; the default ones are used");
    } else if (options->bounds != NULL) {
        double *bounds = otel_pool_take(pool, (options->bound_count + 1) * sizeof *bounds);
        if (bounds == NULL)
            return false;
        memcpy(bounds, options->bounds, options->bound_count * sizeof *bounds);
        instrument->bounds = bounds;
        instrument->bound_count = (uint32_t)options->bound_count;
    }
    if (options->opt_in_keys != NULL) {
        instrument->opt_in_keys = otel_texts_copy(pool, options->opt_in_keys, options->opt_in_key_count);
        instrument->opt_in_key_count = instrument->opt_in_keys != NULL ? options->opt_in_key_count : 0;
    }
    if (options->attribute_keys == NULL)
        return true;
    instrument->attribute_keys = otel_texts_copy(pool, options->attribute_keys, options->attribute_key_count);
    instrument->attribute_key_count = options->attribute_key_count;
    return instrument->attribute_keys != NULL;
}

const char *const *otel_texts_copy(struct otel_pool *pool, const char *const *texts, size_t count) {
    const char **copy = otel_pool_take(pool, (count + 1) * sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = otel_pool_text(pool, texts[i], strlen(texts[i]));
        if (copy[i] == NULL)
            return NULL;
    }
    return copy;
}

// Aliases and series of an instrument are bounded by the rows that its streams may have.
static uint32_t series_max(const struct otel_instrument *instrument) {
    uint32_t most = 0;
    for (const struct otel_stream *stream = instrument->streams; stream != NULL; stream = stream->next)
        most = stream->limit > most ? stream->limit : most;
    return most + 1;
}

static struct otel_instrument *
new_instrument(struct otel_meter *meter, const struct otel_instrument_options *options, const char *name) {
    struct otel_meter_provider *provider = meter->provider;
    struct otel_pool *pool = &provider->pool;
    struct otel_instrument *instrument = otel_pool_take(pool, sizeof *instrument);
    if (instrument == NULL)
        return NULL;
    instrument->meter = meter;
    provider->objects++;
    instrument->name = otel_pool_text(pool, name, strlen(name));
    instrument->unit = otel_pool_text(pool, or_empty(options->unit), strlen(or_empty(options->unit)));
    instrument->description =
        otel_pool_text(pool, or_empty(options->description), strlen(or_empty(options->description)));
    instrument->kind = options->kind;
    instrument->integer = options->integer;
    instrument->exemplar_filter = (uint8_t)provider->exemplar_filter;
    instrument->created_unix_ns = otel_unix_ns(provider->runtime);
    if (instrument->name == NULL || instrument->unit == NULL || instrument->description == NULL ||
        !copy_advice(instrument, options))
        return NULL;
    otel_instrument_make_streams(instrument);
    instrument->series_max = series_max(instrument);
    if (meter->last != NULL)
        atomic_store_explicit(&meter->last->next, instrument, memory_order_release);
    else
        atomic_store_explicit(&meter->first, instrument, memory_order_release);
    meter->last = instrument;
    return instrument;
}

static struct otel_instrument *find_or_make(struct otel_meter *meter,
                                            const struct otel_instrument_options *options) {
    const char *name = NULL;
    struct otel_instrument *instrument = find_instrument(meter, options, &name);
    if (instrument != NULL) {
        if (strcmp(instrument->description, or_empty(options->description)) != 0)
            warn(meter, name,
                 "asked for with two descriptions; the first one stays (a view can set another)");
        return instrument;
    }
    if (name != NULL)
        warn(meter, name,
             "exists with another kind, number type or unit; both are exported under one name, which "
             "receivers may refuse: rename one, or give it a name by a view");
    const char *given = or_empty(options->name);
    if (!name_is_valid(given))
        warn(meter, given,
             "its name is none by the specification (a letter, then up to 254 of letters, digits, _ . - /)");
    if (!unit_is_valid(or_empty(options->unit)))
        warn(meter, given, "its unit is longer than 63 characters or not ASCII");
    return new_instrument(meter, options, name != NULL ? name : given);
}

bool otel_meter_provider_has_room(struct otel_meter_provider *provider, uint32_t max,
                                  const struct otel_scope_info *scope,
                                  const struct otel_instrument_options *options) {
    fq_buf bytes = {0};
    const char *name = NULL;
    pthread_mutex_lock(&provider->lock);
    bool has_room = provider->objects < max;
    if (!has_room && encode_scope(scope, &bytes)) {
        struct otel_meter *meter = find_meter(provider, scope, (const uint8_t *)fq_buf_str(&bytes).ptr,
                                              (uint32_t)fq_buf_len(&bytes));
        has_room = meter != NULL && find_instrument(meter, options, &name) != NULL;
    }
    pthread_mutex_unlock(&provider->lock);
    fq_buf_done(&bytes);
    return has_room;
}

otel_instrument *otel_instrument_new(otel_meter *meter, const struct otel_instrument_options *options) {
    if (meter == NULL || options == NULL || (unsigned)options->kind >= OTEL_INSTRUMENT_KIND_COUNT)
        return NULL;
    struct otel_meter_provider *provider = meter->provider;
    pthread_mutex_lock(&provider->lock);
    struct otel_instrument *instrument = find_or_make(meter, options);
    pthread_mutex_unlock(&provider->lock);
    if (instrument != NULL && options->observe != NULL)
        (void)otel_instrument_observe(instrument, options->observe, options->observe_context);
    otel_readers_start(provider);
    return instrument;
}

static otel_instrument *simple(otel_meter *meter, enum otel_instrument_kind kind, const char *name,
                               const char *unit, const char *description) {
    struct otel_instrument_options options = {
        .kind = kind, .name = name, .unit = unit, .description = description};
    return otel_instrument_new(meter, &options);
}

otel_instrument *otel_counter(otel_meter *meter, const char *name, const char *unit,
                              const char *description) {
    return simple(meter, OTEL_COUNTER, name, unit, description);
}

otel_instrument *otel_up_down_counter(otel_meter *meter, const char *name, const char *unit,
                                      const char *description) {
    return simple(meter, OTEL_UP_DOWN_COUNTER, name, unit, description);
}

otel_instrument *otel_gauge(otel_meter *meter, const char *name, const char *unit, const char *description) {
    return simple(meter, OTEL_GAUGE, name, unit, description);
}

otel_instrument *otel_histogram(otel_meter *meter, const char *name, const char *unit,
                                const char *description, const double *bounds, size_t bound_count) {
    struct otel_instrument_options options = {.kind = OTEL_HISTOGRAM,
                                              .name = name,
                                              .unit = unit,
                                              .description = description,
                                              .bounds = bounds,
                                              .bound_count = bound_count};
    return otel_instrument_new(meter, &options);
}

bool otel_instrument_enabled(const otel_instrument *instrument) {
    return instrument != NULL && instrument->stream_count > 0 && !instrument->meter->provider->has_shut_down;
}
