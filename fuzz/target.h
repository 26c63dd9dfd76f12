// SPDX-License-Identifier: Apache-2.0
// What a fuzz target gives: called with one input, by libFuzzer or by replay.c.
#ifndef FQ_FUZZ_TARGET_H
#define FQ_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
