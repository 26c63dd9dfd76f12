// SPDX-License-Identifier: Apache-2.0
#include "server/shard_change.h"

#include "journal/stream_nats.h"

#include <stdio.h>

enum { ATTEMPTS = 10 };

static int apply(struct fq_shard_map *map, enum fq_shard_change change, uint32_t number) {
    switch (change) {
    case FQ_SHARD_ADD: return fq_shard_map_activate(map, number);
    case FQ_SHARD_RETIRE: return fq_shard_map_retire(map, number);
    default: return fq_shard_map_remove(map, number);
    }
}

static void explain(const struct fq_shard_map *map, enum fq_shard_change change, uint32_t number, int result,
                    char error[FQ_STREAM_ERROR_MAX]) {
    const struct fq_shard *shard = fq_shard_find(map, number);
    const char *why = "is not active";
    if (result == FQ_EBADSTATE)
        why = "is the last one that takes tasks";
    else if (shard == NULL && change == FQ_SHARD_ADD)
        why = "is not in the map; start its control plane with --shard first, then it announces itself";
    else if (shard == NULL)
        why = "is not in the map";
    else if (change == FQ_SHARD_ADD)
        why = fq_shard_is_active(shard) ? "takes tasks already" : "was retired; remove it first";
    else if (change == FQ_SHARD_REMOVE)
        why = "still takes tasks; retire it first, and let it work off what it has";
    snprintf(error, FQ_STREAM_ERROR_MAX, "shard %u %s", (unsigned)number, why);
}

static int change_once(fq_stream *stream, enum fq_shard_change change, uint32_t number,
                       struct fq_shard_map *ret_map, char error[FQ_STREAM_ERROR_MAX]) {
    uint64_t revision;
    int result = fq_shard_register_get(stream, ret_map, &revision);
    if (result == 0) {
        result = apply(ret_map, change, number);
        if (result < 0) {
            explain(ret_map, change, number, result, error);
            fq_shard_map_done(ret_map);
            return FQ_EINVALID;
        }
        result = fq_shard_register_put(stream, ret_map, revision);
    }
    if (result < 0) {
        snprintf(error, FQ_STREAM_ERROR_MAX, "%s", stream->error);
        fq_shard_map_done(ret_map);
    }
    return result;
}

int fq_shard_change(const struct fq_shard_place *place, enum fq_shard_change change, uint32_t number,
                    struct fq_shard_map *ret_map, char error[FQ_STREAM_ERROR_MAX]) {
    struct fq_stream_nats_options options;
    fq_stream_nats_options_init(&options);
    options.map_only = true;
    options.make = false;
    options.credentials_file = place->credentials;
    options.ca_file = place->ca;
    fq_stream *stream;
    int result = fq_stream_nats_open(place->url, &options, &stream, error);
    if (result < 0)
        return result;
    result = FQ_ELOCKED;
    for (int i = 0; i < ATTEMPTS && result == FQ_ELOCKED; i++) // a control plane was first: look again
        result = change_once(stream, change, number, ret_map, error);
    stream->ops->close(stream);
    return result;
}
