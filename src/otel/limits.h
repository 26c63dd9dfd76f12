// SPDX-License-Identifier: Apache-2.0
// Limits of spans and log records. Source: the common and trace SDK specifications, "attribute limits", "span limits".
#ifndef OTEL_LIMITS_H
#define OTEL_LIMITS_H

#include <stdint.h>

struct otel_limits {
    uint32_t value_length; // UINT32_MAX = none; code points
    uint32_t attributes;
    uint32_t events, links;
    uint32_t event_attributes, link_attributes;
};
#define OTEL_LIMITS_DEFAULT ((struct otel_limits){UINT32_MAX, 128, 128, 128, 128, 128})

#endif
