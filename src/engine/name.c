// SPDX-License-Identifier: Apache-2.0
#include "engine/name.h"

#include "engine/queue.h"

static uint64_t table_hash(const void *context, uint64_t value) {
    const fq_engine *engine = context;
    return fq_hash_str(fq_name_text(fq_table_pointer(value)), engine->config.seed + 2);
}
static bool table_equal(const void *context, uint64_t value, const void *key) {
    (void)context;
    return fq_str_equal(fq_name_text(fq_table_pointer(value)), *(const fq_str *)key);
}
const struct fq_table_ops fq_name_table_ops = {.hash = table_hash, .equal = table_equal};

struct fq_name *fq_name_find(const fq_engine *engine, fq_str text) {
    if (engine->name_last != NULL && fq_str_equal(fq_name_text(engine->name_last), text))
        return engine->name_last;
    return fq_table_pointer(fq_table_find(&engine->names, fq_hash_str(text, engine->config.seed + 2), &text));
}

void fq_name_fetch_ahead(const struct fq_name *name) {
    enum { LINE = 64 };
    for (size_t at = 0; at < sizeof *name; at += LINE)
        __builtin_prefetch((const char *)name + at, 1);
}

struct fq_name *fq_name_new(fq_str text) {
    struct fq_name *name = calloc(1, sizeof *name + text.len);
    if (name == NULL)
        return NULL;
    memcpy(name->text, text.ptr, text.len);
    name->text_len = (uint32_t)text.len;
    name->hash = fq_hash_str(text, 0);
    fq_list_init(&name->members);
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++)
        fq_queue_init(&name->queues[priority]);
    return name;
}

struct fq_name *fq_name_free(struct fq_name *name) {
    free(name);
    return NULL;
}

struct fq_name *fq_name_take(fq_engine *engine, struct fq_reservation *reservation, fq_str text) {
    struct fq_name *name = reservation->name_found;
    if (name == NULL || !fq_str_equal(fq_name_text(name), text))
        name = fq_name_find(engine, text);
    if (name != NULL)
        return engine->name_last = name;
    struct fq_name **place = &reservation->name_spares;
    while (*place != NULL && !fq_str_equal(fq_name_text(*place), text))
        place = &(*place)->next_spare;
    name = *place;
    FQ_ASSERT(name != NULL && engine->name_count < engine->name_capacity);
    *place = name->next_spare;
    reservation->name_spare_count--;
    name->next_spare = NULL;
    name->id = engine->name_count;
    engine->name_list[engine->name_count++] = name;
    fq_table_insert(&engine->names, fq_hash_str(text, engine->config.seed + 2), fq_table_value(name));
    return name;
}

uint64_t fq_name_hash(const struct fq_name *name) {
    return name->paused ? fq_hash_mix(name->hash + 1) : 0;
}
