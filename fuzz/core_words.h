// SPDX-License-Identifier: Apache-2.0
// Requests that mean something, for fuzz_core: a few bytes become a row of the command table with words that fit each other.
#ifndef FQ_FUZZ_CORE_WORDS_H
#define FQ_FUZZ_CORE_WORDS_H

#include "engine/engine.h"

/**
 * Appends one request. The first byte chooses the command; each further byte a word of the pool: an id, a name, an option, the
 * token of the id before it, a number, or (255, a length, bytes) what the fuzzer says itself.
 */
void core_words_write(const fq_engine *engine, fq_str bytes, fq_buf *out);

#endif
