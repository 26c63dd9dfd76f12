// SPDX-License-Identifier: Apache-2.0
// Whether this control plane takes a submission, where a queue has several shards.
#ifndef FQ_SERVER_SHARDS_H
#define FQ_SERVER_SHARDS_H

#include "server/command.h"

/** 0: tasks of `key` (base/shard_map.h) belong here, or there are no shards. Else refused: FQ_EMOVED names the shard and its addresses. */
FQ_MUST_USE int fq_shard_check(struct fq_call *call, fq_str key);

#endif
