// SPDX-License-Identifier: Apache-2.0
// What receivers write in their answers: Export…ServiceResponse with partial success, google.rpc.Status with RetryInfo,
// grpc-message, Retry-After. All of it is hostile input; what is malformed counts as not said.
#ifndef OTEL_EXPORTERS_ANSWER_H
#define OTEL_EXPORTERS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OTEL_ANSWER_TEXT_MAX = 160 };

struct otel_partial_success {
    uint64_t rejected;
    char message[OTEL_ANSWER_TEXT_MAX]; // "" = none; one line of printable text
};
/** From the bytes of any Export…ServiceResponse: 0, or OTEL_FAILED if they are none. */
int otel_answer_partial_success(const void *bytes, size_t len, struct otel_partial_success *ret_partial);
/** The same from the JSON form. */
int otel_answer_partial_success_json(const char *text, size_t len, struct otel_partial_success *ret_partial);

struct otel_rpc_status {
    char message[OTEL_ANSWER_TEXT_MAX];
    bool has_retry_info;
    int64_t retry_delay_ms; // 0 = none given
};
/** From google.rpc.Status: 0 or OTEL_FAILED. */
int otel_answer_rpc_status(const void *bytes, size_t len, struct otel_rpc_status *ret_status);
/** From the value of grpc-status-details-bin. */
int otel_answer_status_details(const char *text, size_t len, struct otel_rpc_status *ret_status);

/** Copies text of a peer as one line: control characters become blanks, too long an end is cut at a character. */
void otel_answer_line(char *line, size_t size, const char *text, size_t len);
/** The same behind percent-decoding (grpc-message). */
void otel_answer_percent_line(char *line, size_t size, const char *text, size_t len);

/** Retry-After in milliseconds from now: seconds or an HTTP date. False if it says neither. */
bool otel_answer_retry_after(const char *text, int64_t now_unix_ns, int64_t *ret_ms);

#endif
