// SPDX-License-Identifier: Apache-2.0
// An attribute set as bytes: sorted by key, each key once (the last value given counts), each a KeyValue under tag 1. Equal
// sets are equal bytes.
#ifndef OTEL_METRICS_ATTRIBUTE_SET_H
#define OTEL_METRICS_ATTRIBUTE_SET_H

#include "base/buf.h"
#include "otel/attribute.h"

enum { OTEL_SET_TAG = 1 << 3 | 2 };

// Which keys are kept. `keys` NULL = all.
struct otel_key_filter {
    const char *const *keys;
    size_t key_count;
    const char *const *excluded;
    size_t excluded_count;
    const char *const *opt_in; // kept only if `keys` names them
    size_t opt_in_count;
};
bool otel_key_filter_keeps(const struct otel_key_filter *filter, const char *key);

/** The attributes that count, sorted; empty values and empty keys are left out. Returns how many; `sorted` has room for
 *  `count`. */
size_t otel_attribute_set_sort(const struct otel_attribute *attributes, size_t count,
                               const struct otel_attribute **sorted);
/** Appends those of the sorted attributes that the filter keeps to `kept`, the rest to `dropped` (NULL = nowhere). 0 or a
 *  negative error. */
int otel_attribute_set_encode(const struct otel_attribute *const *sorted, size_t count,
                              const struct otel_key_filter *filter, fq_buf *kept, fq_buf *dropped);
/** Bytes of the first KeyValue, tag included; 0 if the bytes are none. */
size_t otel_attribute_set_next(const uint8_t *set, size_t len);

// A set as attributes again, for those who ask for it; what does not fit is left out.
enum { OTEL_DECODED_MAX = 32, OTEL_DECODED_KEYS_MAX = 2048 };
struct otel_decoded_set {
    size_t count;
    struct otel_attribute attributes[OTEL_DECODED_MAX]; // texts point into the set
    char keys[OTEL_DECODED_KEYS_MAX];
};
void otel_attribute_set_decode(const uint8_t *set, size_t len, struct otel_decoded_set *ret_decoded);

#endif
