// SPDX-License-Identifier: Apache-2.0
// Reading one variable by its type. Source: the environment variable specification: empty is unset, what cannot be read is
// warned of once and then unset, too.
#ifndef OTEL_CONFIG_VARIABLES_H
#define OTEL_CONFIG_VARIABLES_H

#include "otel/pool.h"
#include "otel/runtime.h"

struct otel_variables {
    const char *(*read)(void *context, const char *name);
    void *context;
    const struct otel_runtime *runtime; // warnings
};

/** NULL when unset or empty. */
const char *otel_variables_text(const struct otel_variables *variables, const char *name);
bool otel_variables_bool(const struct otel_variables *variables, const char *name, bool fallback);
/** Integers of [min, max]; `fallback` may lie outside. */
int64_t otel_variables_number(const struct otel_variables *variables, const char *name, int64_t fallback,
                              int64_t min, int64_t max);
/** Index in `words` (NULL-terminated), compared without case; `fallback` when unset or none of them. */
int otel_variables_word(const struct otel_variables *variables, const char *name, const char *const *words,
                        int fallback);
/** Calls `each` for the words of a comma list, without blanks around them and without repetition. False when unset. */
bool otel_variables_words(const struct otel_variables *variables, const char *name,
                          void (*each)(void *context, const char *word), void *context);
/** A ratio of [0, 1]. */
double otel_variables_ratio(const struct otel_variables *variables, const char *name, double fallback);

// --- key=value lists ---------------------------------------------------------------------------------------------------
struct otel_pair {
    const char *key, *value;
};
enum otel_pair_rule {
    OTEL_PAIRS_HEADERS, // a part without '=' is warned of and left out; a % that begins no code stands for itself
    OTEL_PAIRS_ATTRIBUTES, // any error throws the whole value away; keys are decoded, too
};
/** Percent-decoded copies in the pool; *ret_pairs NULL when there are none. Values of headers are never printed. */
size_t otel_variables_pairs(const struct otel_variables *variables, const char *name, const char *text,
                            enum otel_pair_rule rule, struct otel_pool *pool, struct otel_pair **ret_pairs);

#endif
