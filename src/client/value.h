// SPDX-License-Identifier: Apache-2.0
// Fields of a map in a reply, as readers want them: what is absent or of another type is empty or 0.
#ifndef FQ_CLIENT_VALUE_H
#define FQ_CLIENT_VALUE_H

#include "fastqueue/session.h"

fq_slice fq_value_text(const struct fq_value *values, uint32_t at, const char *key);
/** Integers, booleans, and texts that are numbers. */
int64_t fq_value_integer(const struct fq_value *values, uint32_t at, const char *key);
/** 0 also for what does not fit. */
uint32_t fq_value_count(const struct fq_value *values, uint32_t at, const char *key);

#endif
