// SPDX-License-Identifier: Apache-2.0
// The one reader of clocks; called by loops and mains, once a turn.
#ifndef FQ_NET_CLOCK_H
#define FQ_NET_CLOCK_H

#include "base/time.h"

struct fq_now fq_clock_now(void);

#endif
