// SPDX-License-Identifier: Apache-2.0
// The tracestate header's text (W3C trace-context level 2): checked, searched and edited as text, for it is only ever looked
// at by its owner's member. All results fit OTEL_TRACESTATE_KEPT_MAX and a NUL; 0 is an empty one.
#ifndef OTEL_CONTEXT_TRACESTATE_H
#define OTEL_CONTEXT_TRACESTATE_H

#include <stdbool.h>
#include <stddef.h>

enum { OTEL_TRACESTATE_KEPT_MAX = 512, OTEL_TRACESTATE_MEMBERS_MAX = 32 };

/** Without blanks and empty members; members that do not fit are left out: those longer than 128 first, then from the
 *  right. An invalid list is empty. Returns the length. */
size_t otel_tracestate_normalize(const char *text, size_t len, char ret_text[OTEL_TRACESTATE_KEPT_MAX + 1]);
/** The value of a member of a valid list; borrowed from `text`. */
bool otel_tracestate_find(const char *text, size_t len, const char *key, const char **ret_value,
                          size_t *ret_value_len);
/** A valid list with one member set, at its left end; value NULL takes the member away. The others keep their order; what
 *  does not fit is left out. An invalid key or value changes nothing. Returns the length. `text` is not `ret_text`. */
size_t otel_tracestate_set(const char *text, size_t len, const char *key, const char *value, size_t value_len,
                           char ret_text[OTEL_TRACESTATE_KEPT_MAX + 1]);

// OpenTelemetry's own member `ot=key:value;key:value`, of which `th` (sampling threshold) and `rv` (randomness) are known.
/** A field of the member `ot`; borrowed from `text`. */
bool otel_tracestate_find_ot(const char *text, size_t len, const char *key, const char **ret_value,
                             size_t *ret_value_len);
/** As otel_tracestate_set for a field of `ot`; value NULL takes it away, and an empty `ot` with it. Unknown fields stay as
 *  long as they are well formed and all fit 256 bytes. */
size_t otel_tracestate_set_ot(const char *text, size_t len, const char *key, const char *value,
                              size_t value_len, char ret_text[OTEL_TRACESTATE_KEPT_MAX + 1]);

#endif
