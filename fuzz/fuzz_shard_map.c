// SPDX-License-Identifier: Apache-2.0
// The map of shards, as a register or a control plane gives it. What is taken for one must come out of its text again as it is, every
// key must have at most one owner, and changes must keep it a map.
#include "base/shard_map.h"
#include "target.h"

#include <stdlib.h>

static void check_text(const struct fq_shard_map *map) {
    fq_buf text = {0};
    struct fq_shard_map again;
    if (fq_shard_map_format(map, &text) != 0 || fq_shard_map_parse(&again, fq_buf_str(&text)) != 0 ||
        again.version != map->version || again.count != map->count)
        abort();
    for (size_t i = 0; i < map->count; i++) {
        if (memcmp(&again.shards[i], &map->shards[i], sizeof again.shards[i]) != 0)
            abort();
    }
    fq_shard_map_done(&again);
    fq_buf_done(&text);
}

static void check_owner(const struct fq_shard_map *map, fq_str key) {
    const struct fq_shard *owner = fq_shard_owner(map, key, map->version), *earlier[FQ_SHARDS_MAX];
    if (owner != NULL && owner->since > map->version)
        abort();
    size_t count = fq_shard_earlier_owners(map, key, earlier, FQ_SHARDS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (earlier[i] == owner)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    struct fq_shard_map map;
    fq_str text = {(const char *)data + 2, size - 2}, key = {(const char *)data, 2};
    if (fq_shard_map_parse(&map, text) < 0)
        return 0;
    check_text(&map);
    check_owner(&map, key);
    uint32_t number = data[0];
    switch (data[1] % 4) {
    case 0: (void)fq_shard_map_add(&map, number); break;
    case 1: (void)fq_shard_map_activate(&map, number); break;
    case 2: (void)fq_shard_map_retire(&map, number); break;
    default: (void)fq_shard_map_remove(&map, number); break;
    }
    struct fq_shard *shard = fq_shard_find(&map, number);
    if (shard != NULL)
        (void)fq_shard_put_address(shard, "10.0.0.1:5555", data[1] & 4);
    check_text(&map);
    check_owner(&map, key);
    fq_shard_map_done(&map);
    return 0;
}
