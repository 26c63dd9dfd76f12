// SPDX-License-Identifier: Apache-2.0
// What clients of a queue with several shards ask: who takes what (FQ.SHARDS), and what a shard that took it earlier knows (FQ.KNOWN).
#include "base/shard_map.h"
#include "engine/engine.h"
#include "server/arguments.h"
#include "server/core_state.h"
#include "server/reply.h"
#include "server/shards.h"

int fq_shard_check(struct fq_call *call, fq_str key) {
    const fq_core *core = call->core;
    if (core->shards == NULL)
        return 0;
    const struct fq_shard *owner = fq_shard_owner(core->shards, key, core->shards->version);
    if (owner == NULL)
        return fq_call_refuse(call, FQ_EBUSY, "the map of shards is not known here yet; try again");
    if (owner->number == core->shard)
        return 0;
    return fq_call_refuse(call, FQ_EMOVED,
                          "%u %.200s takes these tasks since version %u of the map (FQ.SHARDS)",
                          (unsigned)owner->number, owner->addresses[0] != '\0' ? owner->addresses : "-",
                          (unsigned)core->shards->version);
}

static const char *state_of(const struct fq_shard *shard) {
    return shard->since == 0 ? "joining" : fq_shard_is_active(shard) ? "active" : "retired";
}

int fq_command_shards(struct fq_call *call) {
    const fq_core *core = call->core;
    static const struct fq_shard_map none;
    const struct fq_shard_map *map = core->shards != NULL ? core->shards : &none;
    fq_resp_write_map(call->reply, 3);
    fq_reply_key_integer(call->reply, "version", map->version);
    fq_reply_key_integer(call->reply, "shard", core->shards != NULL ? (int64_t)core->shard : -1);
    fq_resp_write_text(call->reply, "shards");
    fq_resp_write_array(call->reply, map->count);
    for (size_t i = 0; i < map->count; i++) {
        const struct fq_shard *shard = &map->shards[i];
        fq_resp_write_map(call->reply, 5);
        fq_reply_key_integer(call->reply, "shard", shard->number);
        fq_reply_key_text(call->reply, "state", fq_str_of(state_of(shard)));
        fq_reply_key_integer(call->reply, "since", shard->since);
        fq_reply_key_integer(call->reply, "until", shard->until);
        fq_reply_key_text(call->reply, "addresses", fq_str_of(shard->addresses));
    }
    return 0;
}

enum { KNOWN_ID, KNOWN_UNIQUE, KNOWN_WORDS };
static const struct fq_option_word known_words[] = {
    {{"ID", 2},     true},
    {{"UNIQUE", 6}, true},
};

int fq_command_known(struct fq_call *call) {
    const fq_core *core = call->core;
    int64_t version;
    int rc = fq_take_integer(call, "version", call->args[1], 0, UINT32_MAX, &version);
    fq_uuid id = {{0}};
    fq_str unique = FQ_STR("");
    for (size_t at = 2; at < call->arg_count && rc == 0;) {
        fq_str value;
        int word = fq_take_option(call, known_words, KNOWN_WORDS, &at, &value);
        if (word < 0)
            return word;
        if (word == KNOWN_ID)
            rc = fq_take_uuid(call, value, &id);
        else
            unique = value;
    }
    if (rc < 0)
        return rc;
    // What was submitted here before this shard knew of the new map must be seen by who asks.
    if (core->shards != NULL && (int64_t)core->shards->version < version)
        return fq_call_refuse(call, FQ_EBUSY,
                              "this shard has not read version %lld of the map yet; try again",
                              (long long)version);
    fq_uuid known;
    if (fq_engine_known(core->engine, &id, unique, &known))
        fq_reply_uuid(call->reply, &known);
    else
        fq_resp_write_nil(call->reply);
    return 0;
}
