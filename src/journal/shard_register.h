// SPDX-License-Identifier: Apache-2.0
// The map of a queue's shards (base/shard_map.h) as its register holds it.
#ifndef FQ_JOURNAL_SHARD_REGISTER_H
#define FQ_JOURNAL_SHARD_REGISTER_H

#include "base/shard_map.h"
#include "journal/stream.h"

/** Into an empty map. `ret_revision` 0: nobody has put one, the map is empty. FQ_EAGAIN, FQ_EIO with stream->error; FQ_ECORRUPT:
 *  what is there is no map; FQ_ENOMEM. */
FQ_MUST_USE int fq_shard_register_get(fq_stream *stream, struct fq_shard_map *ret_map,
                                      uint64_t *ret_revision);
/** In place of `revision`. FQ_ELOCKED: somebody else was first, read it again. FQ_EAGAIN: it may or may not have happened. */
FQ_MUST_USE int fq_shard_register_put(fq_stream *stream, const struct fq_shard_map *map, uint64_t revision);

#endif
