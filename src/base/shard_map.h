// SPDX-License-Identifier: Apache-2.0
// Which of several journals ("shards") a task belongs to: the same answer in every control plane and every client that holds the same
// map, and answers that change for few keys when a shard is added (rendezvous hashing: each shard draws a number for the key, the
// highest wins).
//
// The map's version counts the changes of who owns what. A shard owns keys from version `since` on, until version `until`. So a map
// also says who owned a key earlier, whose tasks are still being worked off there.
//
// TEXT, lines: "FQS1 VERSION", then for each shard, by number: "NUMBER SINCE UNTIL ADDRESSES"; since 0: it owns nothing yet; until 0:
// no end; addresses HOST:PORT with commas between, the active control plane's first; "-" for none.
#ifndef FQ_BASE_SHARD_MAP_H
#define FQ_BASE_SHARD_MAP_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FQ_SHARDS_MAX = 256,
    FQ_SHARD_VERSION_MAX = 1000000000,
    FQ_SHARD_ADDRESSES_SIZE = 1024, // of one shard, with a NUL
    FQ_SHARD_ADDRESS_MAX = 255,
};

struct fq_shard {
    uint32_t number; // below FQ_SHARDS_MAX
    uint32_t since, until;
    char addresses[FQ_SHARD_ADDRESSES_SIZE]; // "" = none is known
};

struct fq_shard_map {
    uint32_t version; // 0: there is none yet
    size_t count;
    struct fq_shard *shards; // by number
};

/** Frees what it holds; it is empty then. All zero is fine. */
void fq_shard_map_done(struct fq_shard_map *map);
/** Into an empty one. FQ_EINVALID for what is no map, FQ_ENOMEM; it stays empty then. */
int fq_shard_map_parse(struct fq_shard_map *map, fq_str text);
int fq_shard_map_format(const struct fq_shard_map *map, fq_buf *out); // FQ_ENOMEM
/** What a submission is placed by: its unique key if it has one, else its name. */
static inline fq_str fq_shard_key(fq_str name, fq_str unique) {
    return unique.len > 0 ? unique : name;
}
/** The shard that owns `key` at `version`; NULL if none did. */
const struct fq_shard *fq_shard_owner(const struct fq_shard_map *map, fq_str key, uint32_t version);
/** The shards that owned `key` before its owner did, the latest first and each once: how many, at most `max`. */
size_t fq_shard_earlier_owners(const struct fq_shard_map *map, fq_str key, const struct fq_shard **ret_shards,
                               size_t max);
/** NULL: there is none of this number. */
struct fq_shard *fq_shard_find(const struct fq_shard_map *map, uint32_t number);
/** Whether it owns keys now. */
bool fq_shard_is_active(const struct fq_shard *shard);

// Changes of a map. FQ_ENOMEM; FQ_EINVALID where the shard is not what it has to be.
/** The first version of a map: `count` shards, from 0 on, own everything; others that are in it nothing yet. */
int fq_shard_map_found(struct fq_shard_map *map, uint32_t count);
/** A shard that owns nothing yet. */
int fq_shard_map_add(struct fq_shard_map *map, uint32_t number);
/** From a new version on it owns keys. */
int fq_shard_map_activate(struct fq_shard_map *map, uint32_t number);
/** From a new version on it owns none; FQ_EBADSTATE for the last one that does. */
int fq_shard_map_retire(struct fq_shard_map *map, uint32_t number);
/** One that owns nothing any more is forgotten. */
int fq_shard_map_remove(struct fq_shard_map *map, uint32_t number);
/** `address` is one of the shard's, with `is_leader` the first. True: that was new. The oldest ones make room. */
bool fq_shard_put_address(struct fq_shard *shard, const char *address, bool is_leader);

#endif
