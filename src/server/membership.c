// SPDX-License-Identifier: Apache-2.0
#include "server/membership.h"

// What is missing in `map`. 1: it was changed.
static int complete(const struct fq_membership *membership, struct fq_shard_map *map, bool leads) {
    bool is_changed = false;
    if (map->version == 0 && membership->founding_count > 0) {
        int result = fq_shard_map_found(map, membership->founding_count);
        if (result < 0)
            return result;
        is_changed = true;
    }
    struct fq_shard *mine = fq_shard_find(map, membership->shard);
    if (mine == NULL) {
        int result = fq_shard_map_add(map, membership->shard);
        if (result < 0)
            return result;
        mine = fq_shard_find(map, membership->shard);
        is_changed = true;
    }
    return fq_shard_put_address(mine, membership->address, leads) || is_changed;
}

int fq_membership_step(struct fq_membership *membership, fq_stream *stream, bool leads) {
    struct fq_shard_map map;
    uint64_t revision;
    int result = fq_shard_register_get(stream, &map, &revision);
    if (result == 0)
        result = complete(membership, &map, leads);
    if (result == 1)
        result = fq_shard_register_put(stream, &map, revision);
    else if (result == 0 && revision != membership->revision) {
        fq_shard_map_done(&membership->map);
        membership->map = map;
        membership->revision = revision;
        return 1;
    }
    fq_shard_map_done(&map);
    return result;
}

void fq_membership_done(struct fq_membership *membership) {
    fq_shard_map_done(&membership->map);
}
