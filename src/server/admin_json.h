// SPDX-License-Identifier: Apache-2.0
// Replies of the command table as JSON. Maps become objects; what is no UTF-8 becomes {"base64": "…"}; a task's result whose
// encoding is json is embedded as the value that it is.
#ifndef FQ_SERVER_ADMIN_JSON_H
#define FQ_SERVER_ADMIN_JSON_H

#include "base/str.h"
#include "fastqueue/error.h"

#include <jansson.h>

/** One whole RESP3 reply, not an error. A new reference, or NULL when out of memory or malformed. */
json_t *fq_admin_json_of_reply(fq_str reply);
/** The error's code and text if the reply is one: true, slices borrow from `reply`. */
bool fq_admin_reply_is_error(fq_str reply, fq_str *ret_code, fq_str *ret_text);

#endif
