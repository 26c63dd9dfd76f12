// SPDX-License-Identifier: Apache-2.0
#include "support/text_carrier.h"

#include "base/assert.h"

#include <string.h>
#include <strings.h>

static void put(struct text_carrier *carrier, size_t at, const char *key, const char *value, size_t len) {
    FQ_ASSERT(at < TEXT_CARRIER_LINES && strlen(key) < sizeof carrier->at[at].key &&
              len < sizeof carrier->at[at].value);
    strcpy(carrier->at[at].key, key);
    memcpy(carrier->at[at].value, value, len);
    carrier->at[at].value[len] = '\0';
    carrier->at[at].len = len;
    if (at == carrier->count)
        carrier->count++;
}

void text_carrier_add(struct text_carrier *carrier, const char *key, const char *value) {
    put(carrier, carrier->count, key, value, strlen(value));
}

const char *text_carrier_value(const struct text_carrier *carrier, const char *key) {
    for (size_t i = 0; i < carrier->count; i++) {
        if (strcmp(carrier->at[i].key, key) == 0)
            return carrier->at[i].value;
    }
    return NULL;
}

static const char *get(void *context, const char *key, size_t index, size_t *ret_len) {
    const struct text_carrier *carrier = context;
    for (size_t i = 0; i < carrier->count; i++) {
        if (strcasecmp(carrier->at[i].key, key) == 0 && index-- == 0) {
            *ret_len = carrier->at[i].len;
            return carrier->at[i].value;
        }
    }
    return NULL;
}

static const char *key_at(void *context, size_t index) {
    const struct text_carrier *carrier = context;
    return index < carrier->count ? carrier->at[index].key : NULL;
}

static void set(void *context, const char *key, const char *value, size_t len) {
    struct text_carrier *carrier = context;
    size_t at = 0;
    while (at < carrier->count && strcmp(carrier->at[at].key, key) != 0)
        at++;
    put(carrier, at, key, value, len);
}

struct otel_carrier_reader text_carrier_reader(struct text_carrier *carrier) {
    return (struct otel_carrier_reader){.get = get, .key_at = key_at, .carrier = carrier};
}
struct otel_carrier_writer text_carrier_writer(struct text_carrier *carrier) {
    return (struct otel_carrier_writer){.set = set, .carrier = carrier};
}
