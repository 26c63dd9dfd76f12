// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's declarative configuration: YAML with ${…} for a few variables. Either there is a configuration, or a reason.
#include "target.h"

#include "base/assert.h"
#include "otel/sdk.h"

#include <stdio.h>
#include <string.h>

static const char *variable(void *context, const char *name) {
    (void)context;
    static const char *const rows[][2] = {
        {"N",    "5"                       },
        {"TEXT", "some text"               },
        {"SELF", "${SELF}"                 },
        {"LIST", "[a, b"                   },
        {"LONG", "0123456789abcdef01234567"},
        {"NONE", ""                        },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i][0], name) == 0)
            return rows[i][1];
    return NULL;
}

static int make_nothing(void *context, const otel_config_node *properties, void *ret_component) {
    (void)context, (void)ret_component;
    (void)properties;
    return OTEL_FAILED;
}

static void silent(void *context, enum otel_log_level level, const char *text) {
    (void)context, (void)level;
    FQ_ASSERT(strlen(text) < 4096);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct otel_component_provider components[] = {
        {OTEL_COMPONENT_SAMPLER,         "mine", make_nothing, NULL},
        {OTEL_COMPONENT_SPAN_PROCESSOR,  "mine", make_nothing, NULL},
        {OTEL_COMPONENT_LOG_PROCESSOR,   "mine", make_nothing, NULL},
        {OTEL_COMPONENT_SPAN_EXPORTER,   "mine", make_nothing, NULL},
        {OTEL_COMPONENT_METRIC_EXPORTER, "mine", make_nothing, NULL},
        {OTEL_COMPONENT_LOG_EXPORTER,    "mine", make_nothing, NULL},
    };
    struct otel_sdk_options options;
    otel_sdk_options_init(&options);
    options.variable = variable;
    options.components = components;
    options.component_count = sizeof components / sizeof components[0];
    options.diagnostics.report = silent;
    char reason[200] = "";
    otel_config *config = otel_config_parse((const char *)data, size, &options, reason, sizeof reason);
    FQ_ASSERT(memchr(reason, '\0', sizeof reason) != NULL && (config != NULL || reason[0] != '\0'));
    otel_config_free(config);
    return 0;
}
