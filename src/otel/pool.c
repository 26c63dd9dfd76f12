// SPDX-License-Identifier: Apache-2.0
#include "otel/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// Where accesses and failing allocations are watched, each piece is an allocation of its own.
#ifdef FQ_TIGHT
enum { CHUNK_BYTES = 1 };
#else
enum { CHUNK_BYTES = 4096 };
#endif
enum { ALIGNMENT = 16, DEPTH_MAX = 64 };

struct otel_pool_chunk {
    struct otel_pool_chunk *next;
    _Alignas(ALIGNMENT) char bytes[];
};

void otel_pool_done(struct otel_pool *pool) {
    while (pool->chunks != NULL) {
        struct otel_pool_chunk *next = pool->chunks->next;
        free(pool->chunks);
        pool->chunks = next;
    }
    *pool = (struct otel_pool){0};
}

void *otel_pool_take(struct otel_pool *pool, size_t size) {
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (rounded == 0)
        rounded = ALIGNMENT;
    if (pool->left < rounded) {
        size_t bytes = rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES;
        struct otel_pool_chunk *chunk =
            rounded >= size ? calloc(1, sizeof *chunk + bytes) : NULL; // a sum that wrapped round
        if (chunk == NULL) {
            pool->failed = true;
            return NULL;
        }
        chunk->next = pool->chunks;
        pool->chunks = chunk;
        pool->at = chunk->bytes;
        pool->left = bytes;
    }
    void *memory = pool->at;
    pool->at += rounded;
    pool->left -= rounded;
    return memory;
}

char *otel_pool_text(struct otel_pool *pool, const char *text, size_t len) {
    char *copy = otel_pool_take(pool, len + 1);
    if (copy != NULL && len > 0)
        memcpy(copy, text, len);
    return copy;
}

char *otel_pool_format(struct otel_pool *pool, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *text = len >= 0 ? otel_pool_take(pool, (size_t)len + 1) : NULL;
    if (text != NULL)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

static bool copy_value(struct otel_pool *pool, const struct otel_value *from, struct otel_value *ret,
                       int depth);

static bool copy_attribute(struct otel_pool *pool, const struct otel_attribute *from,
                           struct otel_attribute *ret, int depth) {
    const char *key = from->key != NULL ? from->key : "";
    const char *copy = otel_pool_text(pool, key, strlen(key));
    *ret = (struct otel_attribute){.key = copy != NULL ? copy : ""};
    return copy != NULL && copy_value(pool, &from->value, &ret->value, depth);
}

static bool copy_items(struct otel_pool *pool, const struct otel_value *from, struct otel_value *ret,
                       int depth) {
    size_t count = from->as.array.count;
    struct otel_value *items = otel_pool_take(pool, count * sizeof *items);
    *ret = (struct otel_value){0};
    if (items == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!copy_value(pool, &from->as.array.items[i], &items[i], depth + 1))
            return false;
    }
    *ret = *from;
    ret->as.array.items = items;
    return true;
}

static bool copy_map(struct otel_pool *pool, const struct otel_value *from, struct otel_value *ret,
                     int depth) {
    size_t count = from->as.map.count;
    struct otel_attribute *items = otel_pool_take(pool, count * sizeof *items);
    *ret = (struct otel_value){0};
    if (items == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!copy_attribute(pool, &from->as.map.items[i], &items[i], depth + 1))
            return false;
    }
    *ret = *from;
    ret->as.map.items = items;
    return true;
}

static bool copy_value(struct otel_pool *pool, const struct otel_value *from, struct otel_value *ret,
                       int depth) {
    *ret = *from;
    if (depth >= DEPTH_MAX && (from->type == OTEL_VALUE_ARRAY || from->type == OTEL_VALUE_MAP)) {
        *ret = (struct otel_value){0};
        return true;
    }
    switch (from->type) {
    case OTEL_VALUE_STRING:
    case OTEL_VALUE_BYTES: {
        char *text = otel_pool_text(pool, from->as.text.data, from->as.text.len);
        if (text == NULL)
            *ret = (struct otel_value){0};
        else
            ret->as.text.data = text;
        return text != NULL;
    }
    case OTEL_VALUE_ARRAY: return copy_items(pool, from, ret, depth);
    case OTEL_VALUE_MAP: return copy_map(pool, from, ret, depth);
    default: return true;
    }
}

bool otel_pool_attribute(struct otel_pool *pool, const struct otel_attribute *from,
                         struct otel_attribute *ret) {
    return copy_attribute(pool, from, ret, 0);
}
