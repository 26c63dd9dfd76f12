// SPDX-License-Identifier: Apache-2.0
// Environment variables as a carrier. Source: "environment variables as context propagation carriers".
#include "otel/propagation/propagation.h"

#include <stdlib.h>

enum { NAME_MAX_LEN = 300 };

// False when the key makes no name.
static bool to_name(const char *key, char name[NAME_MAX_LEN]) {
    size_t len = 0;
    if (key[0] >= '0' && key[0] <= '9')
        name[len++] = '_';
    for (; *key != '\0'; key++) {
        if (len + 1 >= NAME_MAX_LEN)
            return false;
        char c = *key;
        bool is_lower = c >= 'a' && c <= 'z';
        bool is_plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        name[len++] = is_lower ? (char)(c - 'a' + 'A') : is_plain ? c : '_';
    }
    name[len] = '\0';
    return len > 0;
}

static const char *get(void *carrier, const char *key, size_t index, size_t *ret_len) {
    const struct otel_environment *environment = carrier;
    char name[NAME_MAX_LEN];
    if (index > 0 || !to_name(key, name))
        return NULL;
    bool is_own = environment == NULL || environment->get == NULL;
    const char *value = is_own ? getenv(name) : environment->get(environment->context, name);
    if (value == NULL || value[0] == '\0')
        return NULL;
    *ret_len = strlen(value);
    return value;
}

static void set(void *carrier, const char *key, const char *value, size_t len) {
    const struct otel_environment *environment = carrier;
    char name[NAME_MAX_LEN];
    char *text = to_name(key, name) ? malloc(len + 1) : NULL;
    if (text == NULL)
        return;
    memcpy(text, value, len);
    text[len] = '\0';
    if (environment == NULL || environment->set == NULL)
        (void)setenv(name, text, 1);
    else
        environment->set(environment->context, name, text);
    free(text);
}

struct otel_carrier_reader otel_environment_reader(const struct otel_environment *environment) {
    return (struct otel_carrier_reader){.get = get, .carrier = (void *)(uintptr_t)environment};
}

struct otel_carrier_writer otel_environment_writer(const struct otel_environment *environment) {
    return (struct otel_carrier_writer){.set = set, .carrier = (void *)(uintptr_t)environment};
}
