// SPDX-License-Identifier: Apache-2.0
// Delivering batches over any transport: attempts with back-off, throttling, deadlines, what is counted and what is said.
// Sources: OTLP specification "failures", "throttling", "partial success"; OTLP exporter "retry".
#ifndef OTEL_EXPORTERS_DELIVERY_H
#define OTEL_EXPORTERS_DELIVERY_H

#include "otel/exporters/answer.h"
#include "otel/exporters/endpoint.h"

enum otel_attempt_end {
    OTEL_ATTEMPT_ACCEPTED,
    OTEL_ATTEMPT_TRANSIENT, // may be sent again
    OTEL_ATTEMPT_REFUSED,
    OTEL_ATTEMPT_TIMEOUT,
    OTEL_ATTEMPT_GIVEN_UP,
};
enum { OTEL_ATTEMPT_TEXT_MAX = 400 };
struct otel_attempt {
    enum otel_attempt_end end;
    char error_type[32];              // as in otel_exporter_outcome
    char status[24];                  // likewise
    char text[OTEL_ATTEMPT_TEXT_MAX]; // what happened and what to do, without the endpoint
    int64_t retry_ms;                 // the receiver's own wish; 0 = none
    bool is_throttled;                // the endpoint asks everybody to wait
    bool is_unsupported;              // it does not know this signal
    struct otel_partial_success partial;
};

/** Sets how it ended; what else there is stays. Texts that are too long are cut. */
void otel_attempt_put(struct otel_attempt *attempt, enum otel_attempt_end end, const char *error_type,
                      const char *text);

struct otel_transport_ops {
    const char *component_types[OTEL_SIGNAL_COUNT];
    // One attempt; fills *ret_attempt, which is all zero. Several threads may be in it.
    void (*attempt)(void *self, const struct otel_export_batch *batch, const struct otel_call_limits *limits,
                    struct otel_attempt *ret_attempt);
    void (*wake)(
        void *self); // attempts look again at whether they are given up; NULL = the endpoint's wake does
    void (*after_fork)(void *self); // NULL = the endpoint's does
    void (*free)(void *self);
};

/** Makes an exporter of a transport and its endpoint, both taken over also on failure. */
int otel_delivery_new(const struct otel_otlp_options *options, const struct otel_transport_ops *ops,
                      void *transport, struct otel_endpoint *endpoint, const struct otel_target *target,
                      struct otel_exporter *ret_exporter);

/** The wait before attempt `number` (1 = the first repetition): `first_ms`, times 1.5 each, at most five times that, a fifth
 *  more or less by `random`; from the receiver's wish on if there is one, never less than that. Pure. */
int64_t otel_delivery_backoff_ms(unsigned number, int64_t first_ms, int64_t wish_ms, uint32_t random);

#endif
