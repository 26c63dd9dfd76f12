// SPDX-License-Identifier: Apache-2.0
// A storage that keeps nothing: a batch is "durable" at the next poll. For tests.
#ifndef FQ_JOURNAL_STORAGE_MEMORY_H
#define FQ_JOURNAL_STORAGE_MEMORY_H

#include "journal/storage.h"

/** NULL on failure. `wake` is called from within append, flush and seal. */
fq_storage *fq_storage_memory_open(void (*wake)(void *context), void *wake_context);

#endif
