// SPDX-License-Identifier: Apache-2.0
// A replicated log in memory (journal/stream.h), for tests and the simulator: any number of handles on one log, and a say in what
// becomes of each call.
#ifndef FQ_SIM_LOG_H
#define FQ_SIM_LOG_H

#include "journal/stream.h"

#include <stdbool.h>

enum sim_log_call { SIM_LOG_FACTS, SIM_LOG_PUBLISH, SIM_LOG_READ, SIM_LOG_PURGE, SIM_LOG_GET, SIM_LOG_PUT };

enum sim_log_fate {
    SIM_LOG_DONE,
    SIM_LOG_LOST,       // nothing happens, nobody answers
    SIM_LOG_UNANSWERED, // it happens, nobody answers
    SIM_LOG_DELAYED, // publish only: it happens before the next call that is done, if it still may; nobody answers
    SIM_LOG_FULL,      // no room
    SIM_LOG_BROKEN,    // a final refusal
    SIM_LOG_UNDER_WAY, // publish and put: refused as if somebody had been first, because one is under way
};

typedef struct sim_log sim_log;

struct sim_log_config {
    uint32_t message_bytes_max; // 0: 1 MiB
    /** Asked before each call; NULL: all is done. */
    enum sim_log_fate (*fate)(void *context, enum sim_log_call call, enum fq_stream_part part);
    void *context;
};

/** NULL: out of memory. */
sim_log *sim_log_new(const struct sim_log_config *config);
/** Handles must be closed. NULL is fine. Returns NULL. */
sim_log *sim_log_free(sim_log *log);
/** A handle; NULL: out of memory. */
fq_stream *sim_log_open(sim_log *log);

uint64_t sim_log_first(const sim_log *log, enum fq_stream_part part); // message numbers
uint64_t sim_log_last(const sim_log *log, enum fq_stream_part part);
/** The message's bytes, to look at and to damage. Its length is left alone. NULL: there is none. */
char *sim_log_message(sim_log *log, enum fq_stream_part part, uint64_t seq, size_t *ret_len);
/** As servers do that lost what they had acknowledged: the messages behind `seq` are gone. */
void sim_log_truncate(sim_log *log, enum fq_stream_part part, uint64_t seq);
/** Sets a register aside, whatever it holds; `value` empty: it was never put. 0 or FQ_ENOMEM. */
int sim_log_set_register(sim_log *log, enum fq_stream_register which, fq_str value);

#endif
