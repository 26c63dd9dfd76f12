// SPDX-License-Identifier: Apache-2.0
#include "otel/sdk/state.h"

static const otel_propagator *find(const otel_sdk *sdk, const struct otel_sdk_options *options,
                                   const char *name) {
    for (size_t i = 0; i < options->component_count; i++) {
        const struct otel_component_provider *provider = &options->components[i];
        const otel_propagator *made = NULL;
        if (provider->component == OTEL_COMPONENT_PROPAGATOR && strcmp(provider->name, name) == 0) {
            if (provider->create(provider->context, NULL, &made) == OTEL_OK)
                return made;
            otel_report(&sdk->runtime, OTEL_LEVEL_ERROR, "the propagator %s could not be made", name);
        }
    }
    return otel_propagator_by_name(name);
}

int otel_sdk_make_propagator(otel_sdk *sdk, const struct otel_sdk_options *options,
                             const otel_config *config) {
    const otel_propagator *parts[OTEL_MODEL_PROPAGATORS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < config->propagator_count; i++) {
        const otel_propagator *part = find(sdk, options, config->propagators[i]);
        if (part != NULL)
            parts[count++] = part;
    }
    sdk->propagator = otel_propagator_composite(parts, count);
    return sdk->propagator != NULL ? OTEL_OK : OTEL_FAILED;
}
