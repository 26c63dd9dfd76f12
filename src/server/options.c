// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

void fq_server_options_init(struct fq_server_options *options) {
    *options = (struct fq_server_options){
        .http_address = "127.0.0.1:8080",
        .durability = FQ_DURABILITY_SYNC,
        .shard = -1,
        .protected_mode = true,
        .payload_bytes_max = 1 << 20,
        .result_bytes_max = 16 << 20,
        .connection_max = 10000,
        .connection_unauth_max = 256,
        .connection_source_max = 8000,
        .connection_user_max = 8000,
        .output_bytes_max = 32 << 20,
        .client_bytes_max = 1ull << 30,
        .pipeline_max = 16384,
        .auth_deadline_ms = 5000,
        .drain_timeout_ms = 25000,
        .compact_bytes_min = 256ull << 20,
        .segment_bytes = 64ull << 20,
    };
    fq_engine_config_init(&options->engine);
}
