// SPDX-License-Identifier: Apache-2.0
// Families and series: found, made, forgotten, shown.
#include "otel/exporters/prometheus_model.h"

#include "base/hash.h"

#include <stdlib.h>

enum { LABELS_MAX = 256 };

static char *copy(fq_str text) {
    char *memory = malloc(text.len + 1);
    if (memory == NULL)
        return NULL;
    if (text.len > 0)
        memcpy(memory, text.ptr, text.len);
    memory[text.len] = 0;
    return memory;
}

otel_prometheus_families *otel_prometheus_families_new(const struct otel_prometheus_options *options) {
    struct otel_prometheus_families *families = calloc(1, sizeof *families);
    if (families != NULL)
        families->options = *options;
    return families;
}

static void free_series(struct otel_prometheus_series *series) {
    free(series->key);
    free(series->bounds);
    free(series->buckets);
    free(series->exemplars);
    free(series->labels);
    free(series);
}

static void free_family(struct otel_prometheus_family *family) {
    for (struct otel_prometheus_series *series = family->series, *next; series != NULL; series = next) {
        next = series->next;
        free_series(series);
    }
    free(family->name);
    free(family->unit);
    free(family->help);
    free(family);
}

otel_prometheus_families *otel_prometheus_families_free(otel_prometheus_families *families) {
    if (families == NULL)
        return NULL;
    for (struct otel_prometheus_family *family = families->first, *next; family != NULL; family = next) {
        next = family->next;
        free_family(family);
    }
    fq_buf_done(&families->target);
    free(families);
    return NULL;
}

void otel_prometheus_families_sweep(otel_prometheus_families *families) {
    for (struct otel_prometheus_family **family = &families->first; *family != NULL;) {
        (*family)->cursor = NULL;
        for (struct otel_prometheus_series **series = &(*family)->series; *series != NULL;) {
            struct otel_prometheus_series *one = *series;
            if (one->take == families->take || one->is_delta) {
                series = &one->next;
            } else {
                *series = one->next;
                free_series(one);
            }
        }
        struct otel_prometheus_family *gone = (*family)->series == NULL ? *family : NULL;
        if (gone != NULL) {
            *family = gone->next;
            free_family(gone);
        } else {
            family = &(*family)->next;
        }
    }
}

// --- families --------------------------------------------------------------------------------------------------------
static bool has_suffixes(enum otel_prometheus_strategy strategy) {
    return strategy == OTEL_PROMETHEUS_UNDERSCORES_WITH_SUFFIXES ||
           strategy == OTEL_PROMETHEUS_UTF8_WITH_SUFFIXES;
}

// The unit is told only where the name ends with it.
static char *unit_of(const char *name, fq_str unit) {
    fq_buf word = {0};
    char *result = NULL;
    if (otel_prometheus_unit(unit, &word) == 0) {
        fq_str text = fq_buf_str(&word);
        size_t len = text.len - 1, name_len = strlen(name);
        bool ends = len > 0 && name_len > len && name[name_len - len - 1] == '_' &&
                    memcmp(name + name_len - len, text.ptr, len) == 0;
        result = copy(ends ? (fq_str){text.ptr, len} : FQ_STR(""));
    }
    fq_buf_done(&word);
    return result;
}

static struct otel_prometheus_family *new_family(otel_prometheus_families *families, fq_str name,
                                                 const struct otel_prometheus_family_wanted *wanted) {
    struct otel_prometheus_family *family = calloc(1, sizeof *family);
    if (family == NULL)
        return NULL;
    family->type = wanted->type;
    family->name = copy(name);
    family->help = copy(wanted->help);
    family->unit = family->name != NULL && has_suffixes(families->options.strategy)
                       ? unit_of(family->name, wanted->unit)
                       : copy(FQ_STR(""));
    if (family->name == NULL || family->help == NULL || family->unit == NULL) {
        free_family(family);
        return NULL;
    }
    struct otel_prometheus_family **end = &families->first;
    while (*end != NULL)
        end = &(*end)->next;
    *end = family;
    return family;
}

// As samples are named: a counter's `_total` may be another metric's own.
static bool is_named(const struct otel_prometheus_family *family, fq_str name,
                     enum otel_prometheus_type type) {
    static const fq_str total = {"_total", 6};
    size_t len = strlen(family->name);
    bool has = family->type == OTEL_PROMETHEUS_COUNTER, wants = type == OTEL_PROMETHEUS_COUNTER;
    if (has == wants)
        return fq_str_equal((fq_str){family->name, len}, name);
    fq_str longer = has ? name : (fq_str){family->name, len},
           shorter = has ? (fq_str){family->name, len} : name;
    return longer.len == shorter.len + total.len && memcmp(longer.ptr, shorter.ptr, shorter.len) == 0 &&
           memcmp(longer.ptr + shorter.len, total.ptr, total.len) == 0;
}

// Metadata is told once for a name: the first help stays, another type is refused.
static struct otel_prometheus_family *find_or_make(otel_prometheus_families *families, fq_str name,
                                                   const struct otel_prometheus_family_wanted *wanted) {
    for (struct otel_prometheus_family *family = families->first; family != NULL; family = family->next) {
        if (!is_named(family, name, wanted->type))
            continue;
        if (family->type == wanted->type)
            return family;
        if (!families->warned_of_conflict)
            otel_report(families->options.runtime, OTEL_LEVEL_WARN,
                        "Prometheus: '%s' is made by two metrics of different types: one of them is left out",
                        family->name);
        families->warned_of_conflict = true;
        return NULL;
    }
    return new_family(families, name, wanted);
}

struct otel_prometheus_family *
otel_prometheus_family_get(otel_prometheus_families *families,
                           const struct otel_prometheus_family_wanted *wanted) {
    struct otel_prometheus_naming naming = {.strategy = families->options.strategy,
                                            .name = wanted->name,
                                            .unit = wanted->unit,
                                            .is_counter = wanted->type == OTEL_PROMETHEUS_COUNTER,
                                            .is_gauge = wanted->type == OTEL_PROMETHEUS_GAUGE};
    struct otel_prometheus_family_wanted plain = *wanted;
    fq_buf name = {0};
    struct otel_prometheus_family *family = NULL;
    if (otel_prometheus_name(&naming, &name) == 0) {
        fq_str text = {fq_buf_str(&name).ptr, fq_buf_len(&name) - 1};
        bool ends = text.len > 6 && memcmp(text.ptr + text.len - 6, "_total", 6) == 0;
        if (wanted->type == OTEL_PROMETHEUS_COUNTER && ends)
            text.len -= 6; // the writer's
        else if (wanted->type == OTEL_PROMETHEUS_COUNTER)
            plain.type = OTEL_PROMETHEUS_PLAIN_COUNTER;
        family = find_or_make(families, text, &plain);
    }
    fq_buf_done(&name);
    if (family != NULL)
        family->take = families->take;
    return family;
}

static bool is_of(const struct otel_prometheus_series *series, uint64_t hash, fq_str key) {
    return series->hash == hash && fq_str_equal((fq_str){series->key, series->key_len}, key);
}

struct otel_prometheus_series *otel_prometheus_series_get(struct otel_prometheus_family *family, fq_str key) {
    uint64_t hash = fq_hash_str(key, 0);
    struct otel_prometheus_series *likely = family->cursor != NULL ? family->cursor->next : family->series;
    if (likely != NULL && is_of(likely, hash, key))
        return family->cursor = likely;
    struct otel_prometheus_series **end = &family->series;
    for (; *end != NULL; end = &(*end)->next) {
        if (is_of(*end, hash, key))
            return family->cursor = *end;
    }
    struct otel_prometheus_series *series = calloc(1, sizeof *series);
    if (series == NULL)
        return NULL;
    struct otel_prometheus_label labels[LABELS_MAX];
    series->key = copy(key);
    series->key_len = key.len;
    if (series->key != NULL)
        series->label_count = otel_prometheus_labels((fq_str){series->key, key.len}, labels, LABELS_MAX);
    series->labels = malloc((series->label_count + 1) * sizeof *labels);
    if (series->key == NULL || series->labels == NULL) {
        free_series(series);
        return NULL;
    }
    memcpy(series->labels, labels, series->label_count * sizeof *labels);
    series->hash = hash;
    *end = series;
    return family->cursor = series;
}

// --- writing ---------------------------------------------------------------------------------------------------------
static void write_series(struct otel_prometheus_writer *writer, const struct otel_prometheus_family *family,
                         const struct otel_prometheus_series *series) {
    if (family->type == OTEL_PROMETHEUS_HISTOGRAM) {
        struct otel_prometheus_histogram histogram = {.bounds = series->bounds,
                                                      .buckets = series->buckets,
                                                      .bound_count = series->bound_count,
                                                      .sum = series->sum,
                                                      .exemplars = series->exemplars};
        otel_prometheus_write_histogram(writer, series->labels, series->label_count, &histogram);
    } else if (series->is_exact && series->exemplars == NULL && (int64_t)series->exact >= 0) {
        otel_prometheus_sample_count(writer, series->labels, series->label_count, series->exact);
    } else {
        double value = series->is_exact ? (double)(int64_t)series->exact : series->value;
        otel_prometheus_sample_exemplar(writer, series->labels, series->label_count, value,
                                        series->exemplars);
    }
}

static void write_target(const otel_prometheus_families *families, struct otel_prometheus_writer *writer) {
    struct otel_prometheus_label labels[LABELS_MAX];
    size_t count = otel_prometheus_labels(fq_buf_str(&families->target), labels, LABELS_MAX);
    if (families->options.without_target_info || count == 0)
        return;
    otel_prometheus_family(writer, "target", OTEL_PROMETHEUS_INFO, NULL, "Target metadata");
    otel_prometheus_sample_count(writer, labels, count, 1);
}

int otel_prometheus_families_write(const otel_prometheus_families *families,
                                   enum otel_prometheus_format format, fq_buf *out) {
    struct otel_prometheus_writer writer;
    otel_prometheus_begin(&writer, out, format);
    write_target(families, &writer);
    for (const struct otel_prometheus_family *family = families->first; family != NULL;
         family = family->next) {
        const char *unit = family->unit[0] != 0 ? family->unit : NULL;
        otel_prometheus_family(&writer, family->name, family->type, unit, family->help);
        for (const struct otel_prometheus_series *series = family->series; series != NULL;
             series = series->next)
            write_series(&writer, family, series);
    }
    return otel_prometheus_end(&writer);
}
