// SPDX-License-Identifier: Apache-2.0
// The text form of one baggage member: `key=value;metadata`, the value percent-encoded.
#ifndef OTEL_CONTEXT_BAGGAGE_TEXT_H
#define OTEL_CONTEXT_BAGGAGE_TEXT_H

#include "base/str.h"
#include "otel/context.h"

// A header (or several joined) longer than this is not looked at.
enum { OTEL_BAGGAGE_HEADER_MAX = 64 * 1024 };

struct otel_baggage_member {
    fq_str key, value, metadata; // the value decoded
};

bool otel_baggage_is_key(fq_str key);           // a token of RFC 7230
bool otel_baggage_is_metadata(fq_str metadata); // what may stand behind the first `;` as it is
/** Bytes of the member in a header. */
size_t otel_baggage_member_size(const struct otel_baggage_member *member);
/** Writes just these bytes. */
size_t otel_baggage_write(const struct otel_baggage_member *member, char *text);
/** Valid UTF-8 without NUL: U+FFFD for what is none. `ret_text` has room for three times the length. */
size_t otel_baggage_repair(fq_str text, char *ret_text);
/** Room that decoding all values of a header takes at most. */
size_t otel_baggage_decoded_max(size_t header_len);
/** The next member of a header: 1; -1 it is malformed (*ret_member unset); 0 at the end. Decoded values go to *at, which
 *  moves on. */
int otel_baggage_next(fq_str *rest, struct otel_baggage_member *ret_member, char **at);

#endif
