// SPDX-License-Identifier: Apache-2.0
// A list of header lines as a carrier of propagators.
#ifndef FQ_TESTS_TEXT_CARRIER_H
#define FQ_TESTS_TEXT_CARRIER_H

#include "otel/propagation.h"

enum { TEXT_CARRIER_LINES = 32 };
struct text_carrier {
    size_t count;
    struct {
        char key[300];
        char value[9000];
        size_t len;
    } at[TEXT_CARRIER_LINES];
};

/** Adds a line as it is; a key may come several times. */
void text_carrier_add(struct text_carrier *carrier, const char *key, const char *value);
/** The value set for a key, compared exactly; NULL if there is none. */
const char *text_carrier_value(const struct text_carrier *carrier, const char *key);
/** Keys are compared without case, and can be listed. */
struct otel_carrier_reader text_carrier_reader(struct text_carrier *carrier);
/** Replaces a key's value. */
struct otel_carrier_writer text_carrier_writer(struct text_carrier *carrier);

#endif
