// SPDX-License-Identifier: Apache-2.0
// Several views merged into one. Source: metrics SDK, view matching mode "composable" (status: development).
#include "otel/metrics/model.h"

static bool contains(const char *const *keys, size_t count, const char *key) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i], key) == 0)
            return true;
    }
    return false;
}

// Kept is what all of them keep.
static bool keep_common(struct otel_pool *pool, struct otel_view_options *merged,
                        const struct otel_view_options *view) {
    if (view->attribute_keys == NULL)
        return true;
    if (merged->attribute_keys == NULL) {
        merged->attribute_keys = view->attribute_keys;
        merged->attribute_key_count = view->attribute_key_count;
        return true;
    }
    const char **keys = otel_pool_take(pool, (merged->attribute_key_count + 1) * sizeof *keys);
    size_t count = 0;
    for (size_t i = 0; keys != NULL && i < merged->attribute_key_count; i++) {
        if (contains(view->attribute_keys, view->attribute_key_count, merged->attribute_keys[i]))
            keys[count++] = merged->attribute_keys[i];
    }
    merged->attribute_keys = keys;
    merged->attribute_key_count = count;
    return keys != NULL;
}

// Left out is what any of them leaves out.
static bool exclude_all(struct otel_pool *pool, struct otel_view_options *merged,
                        const struct otel_view_options *view) {
    size_t before = merged->excluded_key_count, more = view->excluded_key_count;
    if (more == 0)
        return true;
    const char **keys = otel_pool_take(pool, (before + more) * sizeof *keys);
    if (keys == NULL)
        return false;
    if (before > 0)
        memcpy(keys, merged->excluded_keys, before * sizeof *keys);
    memcpy(keys + before, view->excluded_keys, more * sizeof *keys);
    merged->excluded_keys = keys;
    merged->excluded_key_count = before + more;
    return true;
}

// An aggregation goes with its settings; one that makes no sense leaves the one before.
static void choose_aggregation(const struct otel_instrument *instrument, struct otel_view_options *merged,
                               const struct otel_view_options *view) {
    if (view->aggregation == OTEL_AGGREGATE_DEFAULT)
        return;
    if (view->aggregation != OTEL_AGGREGATE_DROP &&
        !otel_aggregation_suits(instrument->kind, view->aggregation)) {
        otel_report(
            instrument->meter->provider->runtime, OTEL_LEVEL_WARN,
            "metrics: the aggregation of a view does not suit the kind of instrument '%s'; that of the "
            "view before it is used, or the default",
            instrument->name);
        return;
    }
    merged->aggregation = view->aggregation;
    merged->bounds = view->bounds;
    merged->bound_count = view->bound_count;
    merged->max_size = view->max_size;
    merged->max_scale = view->max_scale;
    merged->no_min_max = view->no_min_max;
}

static void override(struct otel_view_options *merged, const struct otel_view_options *view) {
    if (view->description != NULL)
        merged->description = view->description;
    if (view->cardinality_limit != 0)
        merged->cardinality_limit = view->cardinality_limit;
    if (view->reservoir != NULL) {
        merged->reservoir = view->reservoir;
        merged->reservoir_context = view->reservoir_context;
    }
}

bool otel_views_compose(const struct otel_instrument *instrument,
                        const struct otel_view_options *const *views, size_t count, const char *name,
                        struct otel_view_options *ret_view) {
    struct otel_pool *pool = &instrument->meter->provider->pool;
    otel_view_options_init(ret_view);
    ret_view->name = name;
    for (size_t i = 0; i < count; i++) {
        if (views[i]->name != NULL && (name == NULL || strcmp(views[i]->name, name) != 0))
            continue;
        override(ret_view, views[i]);
        choose_aggregation(instrument, ret_view, views[i]);
        if (!keep_common(pool, ret_view, views[i]) || !exclude_all(pool, ret_view, views[i]))
            return false;
    }
    return true;
}
