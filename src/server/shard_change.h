// SPDX-License-Identifier: Apache-2.0
// Changes of the map of shards by people, without a control plane between.
#ifndef FQ_SERVER_SHARD_CHANGE_H
#define FQ_SERVER_SHARD_CHANGE_H

#include "journal/shard_register.h"

enum fq_shard_change {
    FQ_SHARD_ADD,    // one whose control plane has announced itself gets its part of the new tasks
    FQ_SHARD_RETIRE, // one gets no new tasks any more
    FQ_SHARD_REMOVE, // a retired one is forgotten
};

struct fq_shard_place {
    const char *url, *credentials, *ca; // as for --journal; NULL = none
};

/** Changes the map, also when others change it meanwhile; `ret_map` is the new one, the caller's to end. FQ_EINVALID where the shard is not
 *  what it has to be, or what the log's servers say, with a sentence in `error`. */
FQ_MUST_USE int fq_shard_change(const struct fq_shard_place *place, enum fq_shard_change change,
                                uint32_t number, struct fq_shard_map *ret_map,
                                char error[FQ_STREAM_ERROR_MAX]);

#endif
