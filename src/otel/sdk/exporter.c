// SPDX-License-Identifier: Apache-2.0
// One exporter from its model.
#include "fastqueue/version.h"
#include "otel/exporters/target.h"
#include "otel/sdk/state.h"

#include <stdio.h>
#include <unistd.h>

static const char *user_agent(otel_sdk *sdk, const struct otel_sdk_options *options) {
    const char *product = options->user_agent_product;
    return otel_pool_format(&sdk->pool, "%s%sOTel-OTLP-Exporter-C/" FQ_VERSION,
                            product != NULL ? product : "", product != NULL ? " " : "");
}

static int make_otlp(otel_sdk *sdk, const struct otel_sdk_options *options, enum otel_signal signal,
                     const struct otel_model_exporter *model, struct otel_exporter *ret_exporter) {
    char reason[200] = "";
    struct otel_otlp_options otlp = model->otlp;
    otlp.signal = signal;
    otlp.runtime = &sdk->runtime;
    otlp.pool = sdk->connections;
    otlp.user_agent = user_agent(sdk, options);
    if (otel_otlp_exporter_new(&otlp, ret_exporter, reason, sizeof reason) == OTEL_OK)
        return OTEL_OK;
    char endpoint[OTEL_HOST_MAX + 64];
    otel_target_say(otlp.endpoint, endpoint, sizeof endpoint);
    otel_report(&sdk->runtime, OTEL_LEVEL_ERROR, "OTLP exporter for %s: %s", endpoint, reason);
    return OTEL_FAILED;
}

static int make_json_lines(otel_sdk *sdk, enum otel_signal signal, const char *path,
                           struct otel_exporter *ret_exporter) {
    const char *reason = "too many files";
    int fd = STDOUT_FILENO;
    if (path != NULL) {
        fd = sdk->file_count < OTEL_PIPES_MAX ? otel_system_open_append(path, &reason) : -1;
        if (fd < 0) {
            otel_report(&sdk->runtime, OTEL_LEVEL_ERROR, "%s cannot be written: %s", path, reason);
            return OTEL_FAILED;
        }
        sdk->files[sdk->file_count++] = fd;
    }
    return otel_json_lines_exporter_new(signal, fd, ret_exporter);
}

int otel_sdk_make_exporter(otel_sdk *sdk, const struct otel_sdk_options *options, enum otel_signal signal,
                           const struct otel_model_exporter *model, struct otel_exporter *ret_exporter) {
    switch (model->kind) {
    case OTEL_MODEL_OTLP: return make_otlp(sdk, options, signal, model, ret_exporter);
    case OTEL_MODEL_CONSOLE: return otel_console_exporter_new(signal, STDOUT_FILENO, ret_exporter);
    case OTEL_MODEL_JSON_LINES: return make_json_lines(sdk, signal, model->output_file, ret_exporter);
    case OTEL_MODEL_EXTENSION_EXPORTER: {
        const struct otel_component_provider *provider = model->extension->provider;
        if (provider->create(provider->context, model->extension->properties, ret_exporter) == OTEL_OK)
            return OTEL_OK;
        otel_report(&sdk->runtime, OTEL_LEVEL_ERROR, "the exporter %s could not be made", provider->name);
        return OTEL_FAILED;
    }
    case OTEL_MODEL_PROMETHEUS: break; // no exporter but a server
    }
    return OTEL_FAILED;
}

static const char *const *header_keys(otel_sdk *sdk, const struct otel_otlp_options *otlp) {
    const char **keys = otel_pool_take(&sdk->pool, (otlp->header_count + 1) * sizeof *keys);
    for (size_t i = 0; keys != NULL && i < otlp->header_count; i++)
        keys[i] = otel_pool_text(&sdk->pool, otlp->headers[i].key, strlen(otlp->headers[i].key));
    return keys;
}

void otel_sdk_note_outlet(otel_sdk *sdk, enum otel_signal signal, const struct otel_model_exporter *model,
                          struct otel_exporter exporter) {
    static const char *const protocols[] = {"grpc", "http/protobuf", "http/json"};
    static const char *const no_keys[] = {NULL};
    if (sdk->outlet_count == sizeof sdk->outlets / sizeof sdk->outlets[0])
        return;
    struct otel_sdk_outlet *outlet = &sdk->outlets[sdk->outlet_count++];
    const char *type = exporter.ops->component_type != NULL ? exporter.ops->component_type : "exporter";
    unsigned number = 0;
    for (size_t i = 0; i + 1 < sdk->outlet_count; i++)
        number += strncmp(sdk->outlets[i].name, type, strlen(type)) == 0;
    *outlet = (struct otel_sdk_outlet){
        .signal = signal, .exporter = exporter, .endpoint = "", .protocol = "", .header_keys = no_keys};
    snprintf(outlet->name, sizeof outlet->name, "%s/%u", type, number);
    if (model == NULL || model->kind != OTEL_MODEL_OTLP)
        return;
    outlet->protocol = protocols[model->otlp.protocol];
    outlet->insecure = model->otlp.insecure;
    char said[OTEL_HOST_MAX + 256];
    otel_target_say(model->otlp.endpoint, said, sizeof said);
    const char *endpoint = otel_pool_text(&sdk->pool, said, strlen(said));
    const char *const *keys = header_keys(sdk, &model->otlp);
    outlet->endpoint = endpoint != NULL ? endpoint : "";
    outlet->header_keys = keys != NULL ? keys : no_keys;
}
