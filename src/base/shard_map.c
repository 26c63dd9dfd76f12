// SPDX-License-Identifier: Apache-2.0
#include "base/shard_map.h"

#include "base/hash.h"
#include "fastqueue/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void fq_shard_map_done(struct fq_shard_map *map) {
    free(map->shards);
    *map = (struct fq_shard_map){0};
}

// ---- who owns what ----

static bool owned_at(const struct fq_shard *shard, uint32_t version) {
    return shard->since != 0 && shard->since <= version && (shard->until == 0 || version < shard->until);
}

bool fq_shard_is_active(const struct fq_shard *shard) {
    return shard->since != 0 && shard->until == 0;
}

const struct fq_shard *fq_shard_owner(const struct fq_shard_map *map, fq_str key, uint32_t version) {
    const struct fq_shard *owner = NULL;
    uint64_t highest = 0;
    for (size_t i = 0; i < map->count; i++) {
        const struct fq_shard *shard = &map->shards[i];
        if (!owned_at(shard, version))
            continue;
        uint64_t drawn = fq_hash_str(key, shard->number);
        if (owner == NULL || drawn > highest) {
            owner = shard;
            highest = drawn;
        }
    }
    return owner;
}

// The version of the last change at or before `version`; 0: there was none.
static uint32_t last_change(const struct fq_shard_map *map, uint32_t version) {
    uint32_t last = 0;
    for (size_t i = 0; i < map->count; i++) {
        uint32_t since = map->shards[i].since, until = map->shards[i].until;
        if (since <= version && since > last)
            last = since;
        if (until <= version && until > last)
            last = until;
    }
    return last;
}

size_t fq_shard_earlier_owners(const struct fq_shard_map *map, fq_str key, const struct fq_shard **ret_shards,
                               size_t max) {
    const struct fq_shard *now = fq_shard_owner(map, key, map->version);
    size_t count = 0;
    uint32_t version = last_change(map, map->version);
    for (; version > 1 && count < max; version = last_change(map, version - 1)) {
        const struct fq_shard *then = fq_shard_owner(map, key, version - 1);
        bool is_known = then == NULL || then == now;
        for (size_t i = 0; i < count && !is_known; i++)
            is_known = ret_shards[i] == then;
        if (!is_known)
            ret_shards[count++] = then;
    }
    return count;
}

// ---- text ----

static fq_str next_line(fq_str *rest) {
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    fq_str line = {rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len};
    size_t taken = end != NULL ? line.len + 1 : line.len;
    *rest = (fq_str){rest->ptr + taken, rest->len - taken};
    return line;
}

static fq_str next_word(fq_str *rest) {
    const char *space = rest->len > 0 ? memchr(rest->ptr, ' ', rest->len) : NULL;
    fq_str word = {rest->ptr, space != NULL ? (size_t)(space - rest->ptr) : rest->len};
    size_t taken = space != NULL ? word.len + 1 : word.len;
    *rest = (fq_str){rest->ptr + taken, rest->len - taken};
    return word;
}

static bool read_number(fq_str *rest, uint64_t most, uint32_t *ret_number) {
    uint64_t number;
    if (fq_str_to_uint64(next_word(rest), &number) < 0 || number > most)
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

static bool read_shard(fq_str line, const struct fq_shard_map *map, struct fq_shard *shard) {
    *shard = (struct fq_shard){0};
    if (!read_number(&line, FQ_SHARDS_MAX - 1, &shard->number) ||
        !read_number(&line, map->version, &shard->since) || !read_number(&line, map->version, &shard->until))
        return false;
    bool in_order = map->count == 0 || map->shards[map->count - 1].number < shard->number;
    bool in_time = shard->until == 0 || (shard->since != 0 && shard->since < shard->until);
    if (!in_order || !in_time || line.len == 0 || line.len >= sizeof shard->addresses ||
        !fq_str_is_name(line))
        return false;
    if (!fq_str_equal(line, FQ_STR("-")))
        memcpy(shard->addresses, line.ptr, line.len);
    return true;
}

static int read_shards(struct fq_shard_map *map, fq_str text) {
    map->shards = calloc(FQ_SHARDS_MAX, sizeof *map->shards);
    if (map->shards == NULL)
        return FQ_ENOMEM;
    while (text.len > 0) {
        if (map->count == FQ_SHARDS_MAX || !read_shard(next_line(&text), map, &map->shards[map->count]))
            return FQ_EINVALID;
        map->count++;
    }
    return 0;
}

int fq_shard_map_parse(struct fq_shard_map *map, fq_str text) {
    *map = (struct fq_shard_map){0};
    fq_str head = next_line(&text);
    if (!fq_str_equal(next_word(&head), FQ_STR("FQS1")) ||
        !read_number(&head, FQ_SHARD_VERSION_MAX, &map->version) || head.len > 0)
        return FQ_EINVALID;
    int result = read_shards(map, text);
    if (result < 0)
        fq_shard_map_done(map);
    return result;
}

int fq_shard_map_format(const struct fq_shard_map *map, fq_buf *out) {
    int result = fq_buf_printf(out, "FQS1 %" PRIu32 "\n", map->version);
    for (size_t i = 0; i < map->count && result == 0; i++) {
        const struct fq_shard *shard = &map->shards[i];
        result = fq_buf_printf(out, "%" PRIu32 " %" PRIu32 " %" PRIu32 " %s\n", shard->number, shard->since,
                               shard->until, shard->addresses[0] != '\0' ? shard->addresses : "-");
    }
    return result;
}

// ---- changes ----

struct fq_shard *fq_shard_find(const struct fq_shard_map *map, uint32_t number) {
    for (size_t i = 0; i < map->count; i++) {
        if (map->shards[i].number == number)
            return &map->shards[i];
    }
    return NULL;
}

int fq_shard_map_add(struct fq_shard_map *map, uint32_t number) {
    if (number >= FQ_SHARDS_MAX || fq_shard_find(map, number) != NULL)
        return FQ_EINVALID;
    if (map->shards == NULL && (map->shards = calloc(FQ_SHARDS_MAX, sizeof *map->shards)) == NULL)
        return FQ_ENOMEM;
    size_t at = map->count;
    while (at > 0 && map->shards[at - 1].number > number)
        at--;
    memmove(&map->shards[at + 1], &map->shards[at], (map->count - at) * sizeof *map->shards);
    map->shards[at] = (struct fq_shard){.number = number};
    map->count++;
    return 0;
}

int fq_shard_map_found(struct fq_shard_map *map, uint32_t count) {
    if (map->version != 0 || count == 0 || count > FQ_SHARDS_MAX)
        return FQ_EINVALID;
    int result = 0;
    for (uint32_t number = 0; number < count && result == 0; number++) {
        if (fq_shard_find(map, number) == NULL)
            result = fq_shard_map_add(map, number);
        struct fq_shard *shard = fq_shard_find(map, number);
        if (shard != NULL)
            shard->since = 1;
    }
    map->version = 1;
    return result;
}

int fq_shard_map_activate(struct fq_shard_map *map, uint32_t number) {
    struct fq_shard *shard = fq_shard_find(map, number);
    if (shard == NULL || shard->since != 0 || map->version == FQ_SHARD_VERSION_MAX)
        return FQ_EINVALID;
    shard->since = ++map->version;
    return 0;
}

int fq_shard_map_retire(struct fq_shard_map *map, uint32_t number) {
    struct fq_shard *shard = fq_shard_find(map, number);
    if (shard == NULL || !fq_shard_is_active(shard) || map->version == FQ_SHARD_VERSION_MAX)
        return FQ_EINVALID;
    size_t active = 0;
    for (size_t i = 0; i < map->count; i++)
        active += fq_shard_is_active(&map->shards[i]);
    if (active == 1)
        return FQ_EBADSTATE;
    shard->until = ++map->version;
    return 0;
}

int fq_shard_map_remove(struct fq_shard_map *map, uint32_t number) {
    struct fq_shard *shard = fq_shard_find(map, number);
    if (shard == NULL || fq_shard_is_active(shard))
        return FQ_EINVALID;
    size_t at = (size_t)(shard - map->shards);
    memmove(&map->shards[at], &map->shards[at + 1], (map->count - at - 1) * sizeof *map->shards);
    map->count--;
    return 0;
}

// Where `address` stands in the list; NULL if nowhere.
static char *find_address(char *list, const char *address) {
    size_t len = strlen(address);
    for (char *at = list; *at != '\0'; at += strcspn(at, ",")) {
        at += *at == ',';
        if (strncmp(at, address, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return at;
    }
    return NULL;
}

// Takes out what stands at `at`, to the next comma or the end.
static void drop_address(struct fq_shard *shard, char *at) {
    size_t len = strcspn(at, ",");
    bool is_first = at == shard->addresses;
    char *from = is_first ? at : at - 1;
    const char *behind = is_first && at[len] == ',' ? at + len + 1 : at + len;
    memmove(from, behind, strlen(behind) + 1);
}

// The list always holds several when it is full: one address is a fourth of it at most.
static void make_room(struct fq_shard *shard, size_t len, bool is_leader) {
    while (strlen(shard->addresses) + len + 2 > sizeof shard->addresses) {
        char *oldest = is_leader ? strrchr(shard->addresses, ',') : strchr(shard->addresses, ',');
        drop_address(shard, oldest + 1);
    }
}

bool fq_shard_put_address(struct fq_shard *shard, const char *address, bool is_leader) {
    size_t len = strlen(address);
    char *at = find_address(shard->addresses, address);
    if (len == 0 || len > FQ_SHARD_ADDRESS_MAX || (at != NULL && (!is_leader || at == shard->addresses)))
        return false;
    if (at != NULL)
        drop_address(shard, at);
    make_room(shard, len, is_leader);
    char before[FQ_SHARD_ADDRESSES_SIZE];
    snprintf(before, sizeof before, "%s", shard->addresses);
    const char *comma = before[0] != '\0' ? "," : "";
    if (is_leader)
        snprintf(shard->addresses, sizeof shard->addresses, "%s%s%.*s", address, comma,
                 (int)(sizeof before - len - 2), before);
    else
        snprintf(shard->addresses, sizeof shard->addresses, "%.*s%s%s", (int)(sizeof before - len - 2),
                 before, comma, address);
    return true;
}
