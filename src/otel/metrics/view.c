// SPDX-License-Identifier: Apache-2.0
// Which streams an instrument feeds: one for each view that matches it, or one without any; readers that want the same share
// it. Source: metrics SDK "View", "Measurement processing".
#include "otel/metrics/model.h"

#include <ctype.h>
#include <strings.h>

void otel_view_options_init(struct otel_view_options *options) {
    *options = (struct otel_view_options){.instrument_kind = -1};
}

// `pattern` with * and ?, letters of either case. Going back only to the last star is enough.
static bool matches(const char *pattern, const char *text) {
    const char *star = NULL, *resume = NULL;
    while (*text != 0) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == '?' || tolower((unsigned char)*pattern) == tolower((unsigned char)*text)) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

static bool fits(const char *wanted, const char *text) {
    return wanted == NULL || strcmp(wanted, text != NULL ? text : "") == 0;
}

static bool view_matches(const struct otel_view_options *view, const struct otel_instrument *instrument) {
    const struct otel_scope_info *scope = &instrument->meter->scope;
    return (view->instrument_kind < 0 || view->instrument_kind == (int)instrument->kind) &&
           (view->instrument_name == NULL || matches(view->instrument_name, instrument->name)) &&
           fits(view->instrument_unit, instrument->unit) &&
           (view->meter_name == NULL || matches(view->meter_name, scope->name != NULL ? scope->name : "")) &&
           fits(view->meter_version, scope->version) && fits(view->meter_schema_url, scope->schema_url);
}

static enum otel_aggregation default_of(enum otel_instrument_kind kind) {
    switch (kind) {
    case OTEL_HISTOGRAM: return OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    case OTEL_GAUGE:
    case OTEL_OBSERVABLE_GAUGE: return OTEL_AGGREGATE_LAST_VALUE;
    default: return OTEL_AGGREGATE_SUM;
    }
}

// Observations are totals, of which a histogram means nothing; nor does a sum of gauges.
bool otel_aggregation_suits(enum otel_instrument_kind kind, enum otel_aggregation aggregation) {
    bool is_histogram = aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM ||
                        aggregation == OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    bool is_gauge = kind == OTEL_GAUGE || kind == OTEL_OBSERVABLE_GAUGE;
    return !(is_histogram && otel_kind_is_observable(kind)) &&
           !(is_gauge && aggregation == OTEL_AGGREGATE_SUM);
}

static enum otel_aggregation aggregation_of(const struct otel_instrument *instrument,
                                            const struct otel_view_options *view,
                                            const struct otel_reader *reader) {
    enum otel_aggregation chosen = view != NULL ? view->aggregation : OTEL_AGGREGATE_DEFAULT;
    if (chosen == OTEL_AGGREGATE_DEFAULT)
        chosen = reader->options.aggregation[instrument->kind];
    if (chosen == OTEL_AGGREGATE_DEFAULT)
        return default_of(instrument->kind);
    if (chosen == OTEL_AGGREGATE_DROP || otel_aggregation_suits(instrument->kind, chosen))
        return chosen;
    otel_report(
        instrument->meter->provider->runtime, OTEL_LEVEL_WARN,
        "metrics: the aggregation chosen for instrument '%s' does not suit its kind; the default is used",
        instrument->name);
    return default_of(instrument->kind);
}

static const double default_bounds[] = {0,   5,   10,   25,   50,   75,   100,  250,
                                        500, 750, 1000, 2500, 5000, 7500, 10000};

static void choose_bounds(struct otel_stream *stream, const struct otel_view_options *view) {
    const struct otel_instrument *instrument = stream->instrument;
    bool from_view =
        view != NULL && view->bounds != NULL && view->aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    if (from_view) {
        stream->bounds = view->bounds;
        stream->bound_count = (uint32_t)view->bound_count;
    } else if (instrument->bounds != NULL) {
        stream->bounds = instrument->bounds;
        stream->bound_count = instrument->bound_count;
    } else {
        stream->bounds = default_bounds;
        stream->bound_count = sizeof default_bounds / sizeof *default_bounds;
    }
}

static void choose_attributes(struct otel_stream *stream, const struct otel_view_options *view) {
    const struct otel_instrument *instrument = stream->instrument;
    bool by_view = view != NULL && (view->attribute_keys != NULL || view->excluded_keys != NULL);
    stream->filter.keys = by_view ? view->attribute_keys : instrument->attribute_keys;
    stream->filter.key_count = by_view ? view->attribute_key_count : instrument->attribute_key_count;
    stream->filter.excluded = by_view ? view->excluded_keys : NULL;
    stream->filter.excluded_count = by_view ? view->excluded_key_count : 0;
    stream->filter.opt_in = instrument->opt_in_keys;
    stream->filter.opt_in_count = instrument->opt_in_key_count;
    stream->filters =
        stream->filter.keys != NULL || stream->filter.excluded_count > 0 || stream->filter.opt_in_count > 0;
}

static int or_default(int value, int least, int most, int otherwise) {
    return value == 0 ? otherwise : value < least ? least : value > most ? most : value;
}

static struct otel_stream stream_of(struct otel_instrument *instrument, const struct otel_view_options *view,
                                    const struct otel_reader *reader) {
    struct otel_stream stream = {
        .instrument = instrument,
        .name = view != NULL && view->name != NULL ? view->name : instrument->name,
        .description =
            view != NULL && view->description != NULL ? view->description : instrument->description,
        .aggregation = aggregation_of(instrument, view, reader),
        .has_min_max = view == NULL || !view->no_min_max,
        .max_size = OTEL_EXPONENTIAL_SIZE_DEFAULT,
        .max_scale = OTEL_EXPONENTIAL_SCALE_MAX,
        .readers = 1u << reader->index,
    };
    if (stream.aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM)
        choose_bounds(&stream, view);
    if (view != NULL && view->aggregation == OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM) {
        stream.max_size = or_default(view->max_size, 2, 1024, OTEL_EXPONENTIAL_SIZE_DEFAULT);
        stream.max_scale = view->max_scale == 0 ? OTEL_EXPONENTIAL_SCALE_MAX
                                                : or_default(view->max_scale, OTEL_EXPONENTIAL_SCALE_MIN,
                                                             OTEL_EXPONENTIAL_SCALE_MAX, 0);
    }
    choose_attributes(&stream, view);
    if (view != NULL) {
        stream.reservoir = view->reservoir;
        stream.reservoir_context = view->reservoir_context;
    }
    size_t limit = view != NULL && view->cardinality_limit != 0 ? view->cardinality_limit
                   : reader->options.cardinality_limit != 0     ? reader->options.cardinality_limit
                                                                : OTEL_CARDINALITY_DEFAULT;
    stream.limit = limit > UINT32_MAX / 4 ? UINT32_MAX / 4 : (uint32_t)limit;
    bool is_histogram = stream.aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM ||
                        stream.aggregation == OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    stream.resets = is_histogram && reader->options.temporality[instrument->kind] == OTEL_TEMPORALITY_DELTA;
    return stream;
}

// Readers share what is cumulated alike; what starts anew with each collection, and observations, are a reader's own.
static bool is_shared(const struct otel_stream *a, const struct otel_stream *b) {
    return !a->resets && !b->resets && !otel_kind_is_observable(a->instrument->kind) &&
           a->aggregation == b->aggregation && a->limit == b->limit;
}

static void show(struct otel_stream *stream) {
    const struct otel_instrument *instrument = stream->instrument;
    const struct otel_meter *meter = instrument->meter;
    struct otel_store *store = &meter->provider->store;
    if (store->area == NULL)
        return;
    size_t texts[] = {strlen(stream->name), strlen(instrument->unit), strlen(stream->description),
                      strlen(meter->scope.schema_url), meter->scope_len};
    const void *sources[] = {stream->name, instrument->unit, stream->description, meter->scope.schema_url,
                             meter->scope_bytes};
    size_t bounds_len = stream->bound_count * sizeof(double), len = bounds_len;
    for (size_t i = 0; i < 5; i++)
        len += texts[i];
    struct otel_stream_block *block = otel_store_take(store, OTEL_BLOCK_STREAM, 0, sizeof *block + len);
    if (block == NULL)
        return;
    struct otel_block head = block->block;
    *block = (struct otel_stream_block){.block = head,
                                        .kind = (uint8_t)instrument->kind,
                                        .aggregation = (uint8_t)stream->aggregation,
                                        .integer = instrument->integer,
                                        .has_min_max = stream->has_min_max,
                                        .bound_count = stream->bound_count,
                                        .max_size = stream->max_size,
                                        .max_scale = stream->max_scale,
                                        .name_len = (uint32_t)texts[0],
                                        .unit_len = (uint32_t)texts[1],
                                        .description_len = (uint32_t)texts[2],
                                        .schema_url_len = (uint32_t)texts[3],
                                        .scope_len = (uint32_t)texts[4]};
    uint8_t *at = (uint8_t *)(block + 1);
    memcpy(at, stream->bounds != NULL ? stream->bounds : default_bounds, bounds_len);
    at += bounds_len;
    for (size_t i = 0; i < 5; i++) {
        memcpy(at, sources[i], texts[i]);
        at += texts[i];
    }
    stream->offset = otel_store_show(store, block);
}

// `first`: of this view; what it made for another reader may serve this one too.
static void add_stream(struct otel_instrument *instrument, struct otel_stream **end,
                       struct otel_stream **first, const struct otel_stream *wanted) {
    if (wanted->aggregation == OTEL_AGGREGATE_DROP)
        return;
    for (struct otel_stream *stream = *first; stream != NULL; stream = stream->next) {
        if (is_shared(stream, wanted)) {
            stream->readers |= wanted->readers;
            return;
        }
    }
    struct otel_stream *stream = otel_pool_take(&instrument->meter->provider->pool, sizeof *stream);
    if (stream == NULL)
        return;
    memcpy(stream, wanted, sizeof *stream);
    while (*end != NULL)
        end = &(*end)->next;
    *end = stream;
    if (*first == NULL)
        *first = stream;
    instrument->stream_count++;
    show(stream);
}

static void add_for_view(struct otel_instrument *instrument, const struct otel_view_options *view) {
    const struct otel_meter_provider *provider = instrument->meter->provider;
    struct otel_stream *first = NULL;
    for (uint32_t i = 0; i < provider->reader_count; i++) {
        struct otel_stream wanted = stream_of(instrument, view, &provider->readers[i]);
        add_stream(instrument, &instrument->streams, &first, &wanted);
    }
}

static void warn_of_same_names(const struct otel_instrument *instrument) {
    for (const struct otel_stream *a = instrument->streams; a != NULL; a = a->next) {
        for (const struct otel_stream *b = a->next; b != NULL; b = b->next) {
            if ((a->readers & b->readers) != 0 && strcasecmp(a->name, b->name) == 0) {
                otel_report(
                    instrument->meter->provider->runtime, OTEL_LEVEL_WARN,
                    "metrics: two views make a metric '%s' of instrument '%s'; give one of them another name",
                    a->name, instrument->name);
                return;
            }
        }
    }
}

// The views that match, grouped by the names they give; one without a name is in every group.
static void add_composed(struct otel_instrument *instrument, const struct otel_view_options *const *views,
                         size_t count) {
    struct otel_view_options merged;
    bool has_named = false;
    for (size_t i = 0; i < count; i++) {
        bool is_first = views[i]->name != NULL;
        for (size_t k = 0; k < i && is_first; k++)
            is_first = views[k]->name == NULL || strcmp(views[k]->name, views[i]->name) != 0;
        if (is_first && otel_views_compose(instrument, views, count, views[i]->name, &merged))
            add_for_view(instrument, &merged);
        has_named |= is_first;
    }
    if (!has_named && otel_views_compose(instrument, views, count, NULL, &merged))
        add_for_view(instrument, &merged);
}

void otel_instrument_make_streams(struct otel_instrument *instrument) {
    const struct otel_meter_provider *provider = instrument->meter->provider;
    const struct otel_view_options *matching[OTEL_VIEWS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < provider->view_count && count < OTEL_VIEWS_MAX; i++) {
        if (view_matches(&provider->views[i], instrument))
            matching[count++] = &provider->views[i];
    }
    if (count == 0)
        add_for_view(instrument, NULL);
    else if (provider->views_compose)
        add_composed(instrument, matching, count);
    for (size_t i = 0; i < count && !provider->views_compose; i++)
        add_for_view(instrument, matching[i]);
    warn_of_same_names(instrument);
}
