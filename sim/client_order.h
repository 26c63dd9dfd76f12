// SPDX-License-Identifier: Apache-2.0
// A task as its submitter knows it: small enough to be kept, so that it can be submitted again, word by word.
#ifndef FQ_SIM_CLIENT_ORDER_H
#define FQ_SIM_CLIENT_ORDER_H

#include "sim/cast_state.h"
#include "sim/request.h"

enum sim_order_state {
    SIM_ORDER_NONE,
    SIM_ORDER_ASKED, // submitted, no answer yet
    SIM_ORDER_LOST,  // the answer was lost: it may exist or not
    SIM_ORDER_KNOWN, // acknowledged under `id`
    SIM_ORDER_DONE,  // seen in a final state, or refused
};

struct sim_order {
    fq_uuid id;  // given, or as answered
    bool has_id; // given with the submit
    enum sim_order_state state;
    uint8_t name, priority, piece;
    int8_t unique; // key number; -1 = none
    bool is_raw, is_traced;
    uint32_t length; // of the payload
    uint32_t retries;
    int64_t delay_ms, at_ms, expires_ms, timeout_ms, backoff_ms, result_ttl_ms; // -1 = not given
};

/** A new one, as chance wants it. */
void sim_order_draw(struct sim_order *ret_order, sim_cast *cast, struct sim_dice *dice);
/** Its unique key as text, valid until the next call. */
const char *sim_order_key(const struct sim_order *order, sim_cast *cast);
/** Appends the submit; `other_body`: under the same id, with another payload. */
void sim_order_write(const struct sim_order *order, sim_cast *cast, fq_buf *out, bool other_body);
/** The same as an exchange in cast->asked. */
void sim_order_describe(const struct sim_order *order, sim_cast *cast, bool other_body);

#endif
