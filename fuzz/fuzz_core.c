// SPDX-License-Identifier: Apache-2.0
// A whole server core under bytes from three peers, a clock that jumps, peers that do not read, close and come back.
// Input: records of a control byte (which peer, what to do), a length byte and that many bytes. Afterwards the engine's
// invariants must hold and everything must be given back.
#include "target.h"

#include "base/assert.h"
#include "server/core.h"
#include "server/credentials.h"

enum { PEERS = 3 };

struct world {
    struct fq_server_options options;
    struct fq_core_config config;
    fq_credentials *credentials;
    fq_core *core;
    struct fq_now now;
    fq_connection *peers[PEERS];
    bool deaf[PEERS];
    int replies;
};

static void on_reply(void *context, fq_str reply) {
    (void)reply;
    ((struct world *)context)->replies--;
}

static void serve(struct world *world) {
    fq_connection *connection;
    while ((connection = fq_core_next_ready(world->core)) != NULL) {
        size_t index = (size_t)fq_connection_context(connection);
        fq_str output = fq_connection_output(connection);
        if (!world->deaf[index])
            fq_connection_sent(connection, output.len);
        if (fq_connection_should_close(connection)) {
            fq_connection_close(connection, world->now);
            world->peers[index] = NULL;
        }
    }
}

static void pass(struct world *world, int64_t us) {
    world->now.boot_us += us;
    world->now.wall_us += us;
    fq_core_turn(world->core, world->now);
    serve(world);
}

static fq_connection *peer(struct world *world, size_t index) {
    if (world->peers[index] != NULL)
        return world->peers[index];
    struct fq_peer_info info = {.text = FQ_STR("fuzz"), .is_local = true};
    const char *refusal;
    fq_connection *connection = fq_core_accept(world->core, &info, world->now, &refusal);
    if (connection != NULL)
        fq_connection_set_context(connection, (void *)index);
    world->peers[index] = connection;
    world->deaf[index] = false;
    return connection;
}

static void inside(struct world *world) {
    fq_str args[] = {FQ_STR("FQ.RESULT"), FQ_STR("00000000-0000-4000-8000-000000000001"), FQ_STR("WAIT"),
                     FQ_STR("50")};
    if (fq_core_request(world->core, FQ_ROLE_ALL, args, 4, world->now, on_reply, world) != NULL)
        world->replies++;
}

static void act(struct world *world, uint8_t control, fq_str bytes) {
    size_t index = control % PEERS;
    fq_connection *connection = peer(world, index);
    switch (control / PEERS % 8) {
    case 0: pass(world, 1 + (int64_t)(bytes.len * bytes.len) * FQ_US_PER_MS); break;
    case 1: world->deaf[index] = !world->deaf[index]; break;
    case 2:
        if (connection != NULL)
            fq_connection_close(connection, world->now);
        world->peers[index] = NULL;
        break;
    case 3: inside(world); break;
    default:
        if (connection != NULL && fq_connection_feed(connection, bytes.ptr, bytes.len, world->now) < 0)
            pass(world, 1);
    }
}

static void open_world(struct world *world, bool with_login) {
    *world = (struct world){
        .now = {1000000, 1800000000000000}
    };
    fq_server_options_init(&world->options);
    world->options.payload_bytes_max = 300;
    world->options.result_bytes_max = 300;
    world->options.output_bytes_max = 20000;
    world->options.pipeline_max = 8;
    world->options.engine.task_count_max = 50;
    world->options.engine.result_bytes_max = 1000;
    world->options.engine.dead_count_max = 5;
    world->credentials = fq_credentials_new();
    if (with_login)
        FQ_ASSERT(fq_credentials_add_token(world->credentials, FQ_STR("default"), FQ_ROLE_ALL, FQ_STR("t")) ==
                  0);
    world->config = (struct fq_core_config){.options = &world->options,
                                            .engine = fq_engine_new(&world->options.engine),
                                            .credentials = world->credentials,
                                            .seed = 1};
    world->core = fq_core_new(&world->config);
    FQ_ASSERT(world->core != NULL && fq_core_start(world->core, world->now) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct world world;
    if (size == 0)
        return 0;
    open_world(&world, (data[0] & 1) != 0);
    for (size_t at = 1; at + 2 <= size;) {
        size_t len = data[at + 1];
        if (len > size - at - 2)
            len = size - at - 2;
        act(&world, data[at], (fq_str){(const char *)data + at + 2, len});
        at += 2 + len;
    }
    pass(&world, 1);
    fq_engine_check(world.config.engine);
    pass(&world, 3600 * (int64_t)FQ_US_PER_S);
    fq_core_drain(world.core, world.now);
    pass(&world, 1);
    fq_engine_check(world.config.engine);
    fq_core_free(world.core);
    FQ_ASSERT(world.replies == 0); // each was answered once
    fq_engine_free(world.config.engine);
    fq_credentials_free(world.credentials);
    return 0;
}
