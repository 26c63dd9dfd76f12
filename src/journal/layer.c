// SPDX-License-Identifier: Apache-2.0
#include "journal/journal.h"

extern const char fq_journal_layer[];
const char fq_journal_layer[] = "journal";
