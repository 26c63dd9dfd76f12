// SPDX-License-Identifier: Apache-2.0
// A control plane's place in the map of shards (base/shard_map.h): reads the map, and sees to it that its shard and its address
// stand there. Who owns what is changed by people only (`fastqueue shards`), but for the first map.
#ifndef FQ_SERVER_MEMBERSHIP_H
#define FQ_SERVER_MEMBERSHIP_H

#include "journal/shard_register.h"

struct fq_membership {
    uint32_t shard;
    uint32_t founding_count; // shards of the first map; 0: another makes it
    const char *address;     // borrowed
    struct fq_shard_map map; // as last read
    uint64_t revision;       // of it; 0 = never read
};

/** Reads the map and puts what is missing. 1: the map is another than before; 0; or what the register said, to be tried again. */
FQ_MUST_USE int fq_membership_step(struct fq_membership *membership, fq_stream *stream, bool leads);
void fq_membership_done(struct fq_membership *membership);

#endif
