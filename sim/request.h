// SPDX-License-Identifier: Apache-2.0
// Requests written by hand, as a foreign client would: the number of words is filled in at the end, so that nothing is
// counted beforehand. The simulator's own memory is taken for granted: without it the run ends.
#ifndef FQ_SIM_REQUEST_H
#define FQ_SIM_REQUEST_H

#include "base/buf.h"
#include "base/str.h"
#include "base/uuid.h"

#include <stdint.h>

struct sim_request {
    fq_buf *out;
    size_t head; // where it begins, counted from the buffer's first unread byte
    unsigned words;
};

/** A word as it goes over the wire: SIM_WORD(3, "FQ."). The length is checked when it is compiled. */
#define SIM_WORD(length, text)                                                                               \
    ("$" #length "\r\n" text "\r\n" + 0 * sizeof(char[sizeof(text) == (length) + 1 ? 1 : -1]))

enum { SIM_REQUEST_WORDS_MAX = 999 };

/** Begins a request at the end of `out`. */
void sim_request_begin(struct sim_request *request, fq_buf *out);
/** A word that is encoded already. */
void sim_request_word(struct sim_request *request, const char *encoded);
void sim_request_text(struct sim_request *request, fq_str text);
void sim_request_number(struct sim_request *request, uint64_t number);
void sim_request_id(struct sim_request *request, const fq_uuid *id);
void sim_request_end(struct sim_request *request);

#endif
