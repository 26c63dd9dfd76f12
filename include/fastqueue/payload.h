// SPDX-License-Identifier: Apache-2.0
/**
 * The default payload of a task, JSON {"args":[…],"kwargs":{…}}, built from typed values:
 *
 *     fq_payload *payload = fq_payload_new();
 *     fq_payload_add_int(payload, NULL, 2);          positional
 *     fq_payload_add_string(payload, "to", "you", 3); by name
 *     fq_payload_text(payload, &text, &len);
 *
 * An error sticks: adding goes on without effect and fq_payload_text returns it, so one check at the end is enough. One
 * thread at a time.
 */
#ifndef FASTQUEUE_PAYLOAD_H
#define FASTQUEUE_PAYLOAD_H

#include "fastqueue/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fq_payload fq_payload;

/** NULL when out of memory. */
FQ_API fq_payload *fq_payload_new(void);
/** NULL is fine. Returns NULL. */
FQ_API fq_payload *fq_payload_free(fq_payload *payload);

/* Each adds one argument: the next positional one if `name` is NULL, else the keyword `name`; the same name again replaces
 * the value. Everything is copied. 0, FQ_ENOMEM, or FQ_EENCODING for what JSON cannot say: infinities and NaN, text that is
 * not UTF-8, malformed JSON. */
FQ_API int fq_payload_add_null(fq_payload *payload, const char *name);
FQ_API int fq_payload_add_int(fq_payload *payload, const char *name, int64_t value);
FQ_API int fq_payload_add_double(fq_payload *payload, const char *name, double value);
FQ_API int fq_payload_add_bool(fq_payload *payload, const char *name, bool value);
FQ_API int fq_payload_add_string(fq_payload *payload, const char *name, const char *text, size_t len);
/** `json` is a JSON value of any kind. */
FQ_API int fq_payload_add_json(fq_payload *payload, const char *name, const char *json, size_t len);

/** The payload, borrowed until the next call on it. 0, or the first error of all calls before. */
FQ_API FQ_MUST_USE int fq_payload_text(fq_payload *payload, const char **ret_text, size_t *ret_len);

#ifdef __cplusplus
}
#endif
#endif
