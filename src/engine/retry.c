// SPDX-License-Identifier: Apache-2.0
// Backoff: pure arithmetic.
#include "engine/decide.h"

int64_t fq_retry_delay_ms(int64_t base_ms, int64_t max_ms, uint32_t failures, uint64_t random) {
    if (max_ms < 1)
        max_ms = 1;
    if (max_ms > FQ_TIME_MAX_MS)
        max_ms = FQ_TIME_MAX_MS;
    int64_t delay = base_ms < 1 ? 1 : base_ms;
    for (uint32_t i = 1; i < failures && delay < max_ms; i++)
        delay = delay > max_ms / 2 ? max_ms : delay * 2;
    if (delay > max_ms)
        delay = max_ms;
    // 0.8 … 1.2 of the delay, in steps of a thousandth of the spread: never less than 1.
    int64_t step = (int64_t)(random % 2001) - 1000;
    delay += delay / 5 * step / 1000;
    return delay > max_ms ? max_ms : delay;
}
