// SPDX-License-Identifier: Apache-2.0
// Arguments of a command: each reader says in call->error which argument is wrong and what form it takes.
#ifndef FQ_SERVER_ARGUMENTS_H
#define FQ_SERVER_ARGUMENTS_H

#include "base/uuid.h"
#include "engine/task_view.h"
#include "server/command.h"

FQ_MUST_USE int fq_take_uuid(struct fq_call *call, fq_str text, fq_uuid *ret_id);
FQ_MUST_USE int fq_take_token(struct fq_call *call, fq_str text, uint64_t *ret_token);
/** A whole number in [min, max]; `what` names it in the error. */
FQ_MUST_USE int fq_take_integer(struct fq_call *call, const char *what, fq_str text, int64_t min, int64_t max,
                                int64_t *ret_value);
FQ_MUST_USE int fq_take_priority(struct fq_call *call, fq_str text, enum fq_priority *ret_priority);
FQ_MUST_USE int fq_take_state(struct fq_call *call, fq_str text, enum fq_task_state *ret_state);
/** 1 to 255 bytes without spaces and control characters: names of tasks and workers, unique keys. */
FQ_MUST_USE int fq_take_name(struct fq_call *call, const char *what, fq_str text);
/** A name of an encoding in lower case; pickle only where the server allows it. */
FQ_MUST_USE int fq_take_encoding(struct fq_call *call, fq_str text);
/** A trace context's text without blanks around it, if it is printable and of at most `max` bytes; else none: telemetry
 *  never costs a task. What is dropped is counted. */
fq_str fq_take_header(struct fq_call *call, fq_str text, size_t max);

// Words behind the fixed arguments: `words` are in upper case, the last one is "". Finds args[*at], which must be one of
// them; `with_value[i]` = 1: a value follows, in *ret_value. Moves *at behind. The word's number, or an error.
struct fq_option_word {
    fq_str word;
    bool has_value;
};
FQ_MUST_USE int fq_take_option(struct fq_call *call, const struct fq_option_word *words, size_t word_count,
                               size_t *at, fq_str *ret_value);
/** How many arguments from `at` on belong to a list that ends at one of `words` in upper case or at the end. */
size_t fq_list_length(const struct fq_call *call, const struct fq_option_word *words, size_t word_count,
                      size_t at);

#endif
