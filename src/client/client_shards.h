// SPDX-License-Identifier: Apache-2.0
// A client of a queue that is spread over several shards: one client for each of them, opened when it is first needed, and the map that
// tells which one takes what (base/shard_map.h). Every call of fastqueue/client.h that is about a task comes here when there is a map.
//
// A task keeps its id whatever happens: a submission that was refused because the map has changed, or whose answer was lost, is looked
// after at the shards that took such tasks earlier before another is asked to take it.
#ifndef FQ_CLIENT_CLIENT_SHARDS_H
#define FQ_CLIENT_CLIENT_SHARDS_H

#include "fastqueue/client.h"

#include <stdbool.h>

typedef struct fq_client_shards fq_client_shards;

/** Asks `client`'s control plane for the map. FQ_ENOMEM, or what the question met, told in the client. */
FQ_MUST_USE int fq_client_shards_open(fq_client *client, fq_client_shards **ret_shards);
/** NULL is fine. Returns NULL. */
fq_client_shards *fq_client_shards_close(fq_client_shards *shards);

// As the functions of fastqueue/client.h; the client's error tells what went wrong.
FQ_MUST_USE int fq_client_shards_submit(fq_client *client, const struct fq_client_task *task,
                                        char ret_id[37]);
FQ_MUST_USE int fq_client_shards_submit_many(fq_client *client, const struct fq_client_task *tasks,
                                             size_t count, char (*ret_ids)[37]);
FQ_MUST_USE int fq_client_shards_call(fq_client *client, const struct fq_client_task *task, int64_t wait_ms,
                                      struct fq_task_result *ret_result);
FQ_MUST_USE int fq_client_shards_wait(fq_client *client, const char *id, int64_t wait_ms,
                                      struct fq_task_result *ret_result);
/** `ask` is asked at one shard after another until one knows the task; the likeliest first. */
FQ_MUST_USE int fq_client_shards_ask(fq_client *client, const char *id,
                                     int (*ask)(fq_client *shard, const char *id,
                                                struct fq_task_result *ret_result),
                                     struct fq_task_result *ret_result);

#endif
