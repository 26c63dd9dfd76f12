// SPDX-License-Identifier: Apache-2.0
#include "journal/shard_register.h"

#include <stdio.h>

int fq_shard_register_get(fq_stream *stream, struct fq_shard_map *ret_map, uint64_t *ret_revision) {
    *ret_map = (struct fq_shard_map){0};
    fq_buf value = {0};
    int result = stream->ops->get(stream, FQ_STREAM_SHARDS, &value, ret_revision);
    if (result == 0 && *ret_revision != 0)
        result = fq_shard_map_parse(ret_map, fq_buf_str(&value));
    fq_buf_done(&value);
    if (result != FQ_EINVALID)
        return result;
    snprintf(stream->error, sizeof stream->error, "the register of shards holds something else");
    return FQ_ECORRUPT;
}

int fq_shard_register_put(fq_stream *stream, const struct fq_shard_map *map, uint64_t revision) {
    fq_buf text = {0};
    int result = fq_shard_map_format(map, &text);
    uint64_t ignored;
    if (result == 0)
        result = stream->ops->put(stream, FQ_STREAM_SHARDS, fq_buf_str(&text), revision, &ignored);
    fq_buf_done(&text);
    return result;
}
