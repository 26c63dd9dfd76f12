// SPDX-License-Identifier: Apache-2.0
// The program's default SDK.
#include "otel/sdk.h"

#include <stdatomic.h>

static otel_sdk *_Atomic global;

otel_sdk *otel_sdk_global(void) {
    return atomic_load_explicit(&global, memory_order_acquire);
}

void otel_sdk_set_global(otel_sdk *sdk) {
    atomic_store_explicit(&global, sdk, memory_order_release);
}

otel_sdk *otel_sdk_global_or(otel_sdk *sdk) {
    otel_sdk *there = NULL;
    if (atomic_compare_exchange_strong(&global, &there, sdk))
        return sdk;
    otel_sdk_free(sdk);
    return there;
}
