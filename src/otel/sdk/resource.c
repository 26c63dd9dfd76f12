// SPDX-License-Identifier: Apache-2.0
// The SDK's resource: program defaults, below detectors, below the configuration, below what the program insists on.
#include "fastqueue/version.h"
#include "otel/sdk/state.h"

#include <errno.h>
#include <stdio.h>

enum { DEFAULTS_MAX = 6 };

// Takes `over` and gives back the merged one.
static otel_resource *cover(otel_resource *base, otel_resource *over) {
    if (base == NULL || over == NULL) {
        otel_resource_free(over);
        return base;
    }
    otel_resource *merged = otel_resource_merge(base, over);
    otel_resource_free(base);
    otel_resource_free(over);
    return merged;
}

static otel_resource *defaults(const struct otel_sdk_options *options) {
    char name[200];
    snprintf(name, sizeof name, "unknown_service:%.150s", program_invocation_short_name);
    struct otel_attribute attributes[DEFAULTS_MAX] = {
        otel_text("service.name", options->service_name != NULL ? options->service_name : name),
        otel_text("service.version", options->service_version),
        otel_text("telemetry.sdk.name", "fastqueue"),
        otel_text("telemetry.sdk.language", "c"),
        otel_text("telemetry.sdk.version", FQ_VERSION),
    };
    return otel_resource_new(attributes, DEFAULTS_MAX, NULL);
}

static otel_resource *detect(const otel_config *config, otel_resource *resource) {
    static const struct otel_resource_detector *const detectors[] = {&otel_detect_host, &otel_detect_os,
                                                                     &otel_detect_process};
    for (unsigned i = 0; i < sizeof detectors / sizeof detectors[0]; i++) {
        if ((config->detectors & 1u << i) != 0)
            resource = cover(resource, detectors[i]->detect(detectors[i]->context));
    }
    return resource;
}

int otel_sdk_make_resource(otel_sdk *sdk, const struct otel_sdk_options *options, const otel_config *config) {
    otel_resource *resource = detect(config, defaults(options));
    resource =
        cover(resource, otel_resource_new(config->attributes, config->attribute_count, config->schema_url));
    resource = cover(resource, otel_resource_new(options->resource, options->resource_count, NULL));
    if (resource == NULL)
        return OTEL_FAILED;
    const struct otel_value *service = otel_resource_get(resource, "service.name");
    if (service == NULL || service->as.text.len == 0) { // never empty
        struct otel_attribute name = otel_text("service.name", "unknown_service");
        resource = cover(resource, otel_resource_new(&name, 1, NULL));
    }
    sdk->instance_is_ours = resource != NULL && otel_resource_get(resource, "service.instance.id") == NULL;
    if (sdk->instance_is_ours) {
        char uuid[37];
        otel_system_uuid(uuid);
        struct otel_attribute id = otel_text("service.instance.id", uuid);
        resource = cover(resource, otel_resource_new(&id, 1, NULL));
    }
    sdk->resource = resource;
    return resource != NULL && otel_resource_encode(resource, &sdk->resource_bytes) == 0 ? OTEL_OK
                                                                                         : OTEL_FAILED;
}

size_t otel_sdk_resource_count(const otel_sdk *sdk) {
    return sdk != NULL && sdk->resource != NULL ? otel_resource_count(sdk->resource) : 0;
}

struct otel_attribute otel_sdk_resource_at(const otel_sdk *sdk, size_t index) {
    return otel_resource_at(sdk->resource, index);
}
