// SPDX-License-Identifier: Apache-2.0
// What is inside the clients of several shards; shared by the client_shards*.c files only.
#ifndef FQ_CLIENT_CLIENT_SHARDS_STATE_H
#define FQ_CLIENT_CLIENT_SHARDS_STATE_H

#include "base/shard_map.h"
#include "client/client_shards.h"
#include "client/client_state.h"

struct fq_client_shards {
    struct fq_shard_map map;
    fq_client *clients[FQ_SHARDS_MAX]; // by number; NULL = not needed so far
};

/** One submission on its way. */
struct fq_routed {
    struct fq_submit_options options; // with the id under which it is asked
    fq_slice name;
    char id[37];
    bool is_new; // nobody can know the id yet, and no unique key is given
};

/** `task` is borrowed. */
void fq_routed_begin(const struct fq_client_task *task, struct fq_routed *routed);
/** Where it goes: 0 with the shard to be asked; 1: it is known, `routed->id` says as what, and `ret_shard` has it. */
FQ_MUST_USE int fq_routed_place(fq_client *client, struct fq_routed *routed, fq_client **ret_shard);
/** What may be different in a moment, by another map or another control plane. */
bool fq_routed_may_mend(int error);
/** A pause and a new look at the map. False: time is over. */
bool fq_routed_look_again(fq_client *client, struct fq_routed *routed, int64_t deadline_us, uint32_t attempt);
/** What a shard's client told becomes the client's; returns `error`. */
int fq_shard_fail(fq_client *client, const fq_client *shard, int error);

#endif
