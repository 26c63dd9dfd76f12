// SPDX-License-Identifier: Apache-2.0
// Baggage: kept decoded, immutable and counted; each change makes a new one in a single block. Source: W3C baggage.
#include "otel/context/baggage_text.h"
#include "otel/context/context.h"

#include <stdatomic.h>
#include <stdlib.h>

struct otel_baggage {
    atomic_uint references;
    size_t count;
    struct otel_baggage_member members[]; // all texts NUL-terminated, behind the last one
};

static const char *keep(char **at, fq_str text) {
    char *kept = *at;
    if (text.len > 0)
        memcpy(kept, text.ptr, text.len);
    kept[text.len] = '\0';
    *at += text.len + 1;
    return kept;
}

static otel_baggage *baggage_new(const struct otel_baggage_member *members, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += members[i].key.len + members[i].value.len + members[i].metadata.len + 3;
    otel_baggage *baggage = count > 0 ? malloc(sizeof *baggage + count * sizeof *members + bytes) : NULL;
    if (baggage == NULL)
        return NULL;
    char *at = (char *)(baggage->members + count);
    atomic_init(&baggage->references, 1);
    baggage->count = count;
    for (size_t i = 0; i < count; i++) {
        struct otel_baggage_member *member = &baggage->members[i];
        *member = members[i];
        member->key.ptr = keep(&at, member->key);
        member->value.ptr = keep(&at, member->value);
        member->metadata.ptr = keep(&at, member->metadata);
    }
    return baggage;
}

otel_baggage *otel_baggage_retain(const otel_baggage *baggage) {
    otel_baggage *mine = (otel_baggage *)(uintptr_t)baggage;
    if (mine != NULL)
        atomic_fetch_add_explicit(&mine->references, 1, memory_order_relaxed);
    return mine;
}

otel_baggage *otel_baggage_release(otel_baggage *baggage) {
    if (baggage != NULL && atomic_fetch_sub_explicit(&baggage->references, 1, memory_order_acq_rel) == 1)
        free(baggage);
    return NULL;
}

// --- a list under construction -------------------------------------------------------------------------------------
struct list {
    size_t count, bytes; // of the header that it makes
    struct otel_baggage_member at[OTEL_BAGGAGE_MEMBERS_MAX];
};

static size_t find(const struct otel_baggage_member *members, size_t count, fq_str key) {
    size_t at = 0;
    while (at < count && !fq_str_equal(members[at].key, key))
        at++;
    return at;
}

// Sets or replaces; false when that would pass a limit.
static bool put(struct list *list, struct otel_baggage_member member) {
    size_t at = find(list->at, list->count, member.key);
    if (at == OTEL_BAGGAGE_MEMBERS_MAX)
        return false;
    size_t replaced = at < list->count ? otel_baggage_member_size(&list->at[at]) + 1 : 0;
    size_t bytes = list->bytes - replaced + otel_baggage_member_size(&member) + 1;
    if (bytes > OTEL_BAGGAGE_BYTES_MAX + 1) // there is one comma less than members
        return false;
    list->bytes = bytes;
    list->at[at] = member;
    list->count += at == list->count;
    return true;
}

static void put_all(struct list *list, const otel_baggage *baggage, fq_str but) {
    for (size_t i = 0; baggage != NULL && i < baggage->count; i++) {
        if (!fq_str_equal(baggage->members[i].key, but))
            (void)put(list, baggage->members[i]);
    }
}

otel_baggage *otel_baggage_parse(const char *header, size_t len) {
    if (len == 0 || len > OTEL_BAGGAGE_HEADER_MAX)
        return NULL;
    struct list *list = calloc(1, sizeof *list);
    char *memory = malloc(otel_baggage_decoded_max(len)), *free_at = memory;
    fq_str rest = {header, len};
    struct otel_baggage_member member;
    int found = list != NULL && memory != NULL ? 1 : 0;
    while (found != 0 && (found = otel_baggage_next(&rest, &member, &free_at)) != 0) {
        if (found > 0)
            (void)put(list, member);
    }
    otel_baggage *baggage = list != NULL ? baggage_new(list->at, list->count) : NULL;
    free(memory);
    free(list);
    return baggage;
}

otel_baggage *otel_baggage_with(const otel_baggage *baggage, const char *key, const char *value,
                                const char *metadata) {
    struct otel_baggage_member member = {fq_str_of(key), fq_str_of(value), fq_str_of(metadata)};
    if (!otel_baggage_is_key(member.key) || !otel_baggage_is_metadata(member.metadata) ||
        member.value.len > OTEL_BAGGAGE_BYTES_MAX)
        return NULL;
    struct list *list = calloc(1, sizeof *list);
    char *repaired = malloc(3 * member.value.len + 1);
    otel_baggage *made = NULL;
    if (list != NULL && repaired != NULL) {
        member.value = (fq_str){repaired, otel_baggage_repair(member.value, repaired)};
        put_all(list, baggage, (fq_str){"", 0});
        if (put(list, member))
            made = baggage_new(list->at, list->count);
    }
    free(repaired);
    free(list);
    return made;
}

otel_baggage *otel_baggage_without(const otel_baggage *baggage, const char *key) {
    struct list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return NULL;
    put_all(list, baggage, fq_str_of(key));
    otel_baggage *made = baggage_new(list->at, list->count);
    free(list);
    return made;
}

otel_baggage *otel_baggage_merge(const otel_baggage *base, const otel_baggage *over) {
    struct list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return NULL;
    put_all(list, base, (fq_str){"", 0});
    put_all(list, over, (fq_str){"", 0});
    otel_baggage *made = baggage_new(list->at, list->count);
    free(list);
    return made;
}

size_t otel_baggage_count(const otel_baggage *baggage) {
    return baggage != NULL ? baggage->count : 0;
}

const char *otel_baggage_get(const otel_baggage *baggage, const char *key) {
    size_t count = otel_baggage_count(baggage);
    size_t at = count > 0 ? find(baggage->members, count, fq_str_of(key)) : 0;
    return at < count ? baggage->members[at].value.ptr : NULL;
}

void otel_baggage_at(const otel_baggage *baggage, size_t index, const char **ret_key, const char **ret_value,
                     const char **ret_metadata) {
    const struct otel_baggage_member *member = &baggage->members[index];
    *ret_key = member->key.ptr;
    *ret_value = member->value.ptr;
    *ret_metadata = member->metadata.ptr;
}

size_t otel_baggage_format(const otel_baggage *baggage, char *text, size_t size) {
    size_t len = 0;
    for (size_t i = 0; baggage != NULL && i < baggage->count; i++) {
        size_t need = otel_baggage_member_size(&baggage->members[i]) + (len > 0);
        if (need > size - len)
            continue;
        if (len > 0)
            text[len++] = ',';
        len += otel_baggage_write(&baggage->members[i], text + len);
    }
    return len;
}
