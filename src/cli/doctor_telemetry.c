// SPDX-License-Identifier: Apache-2.0
// `fastqueue doctor telemetry`: what is configured and by whom, and whether the receivers take it.
#include "cli/doctor.h"
#include "cli/output.h"
#include "fastqueue/version.h"
#include "telemetry/telemetry.h"
#include "telemetry/vendor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEND_TIMEOUT_MS = 5000 };
static const char *const signal_names[] = {"traces", "metrics", "logs"};

// --- the configuration in force ----------------------------------------------------------------------------------------
static bool is_secret(const char *name, const char *type) {
    return strcmp(type, "secret") == 0 || strstr(name, "_KEY") != NULL || strstr(name, "TOKEN") != NULL;
}

static void print_setting(const struct fq_doctor *doctor, const char *name, const char *value,
                          const char *origin) {
    if (doctor->as_json) {
        json_t *object = json_object();
        json_object_set_new(object, "variable", json_string(name));
        json_object_set_new(object, "value", fq_output_json_text((fq_slice){value, strlen(value)}));
        json_object_set_new(object, "origin", json_string(origin));
        fq_output_json_line(object);
        return;
    }
    printf("%-54s ", name);
    fq_output_text(stdout, (fq_slice){value, strlen(value)}, false);
    printf("  (%s)\n", origin);
}

static void show_setting(const struct fq_doctor *doctor, struct fq_vendor_variables *variables,
                         const char *name, const char *type, const char *fallback) {
    const char *value = fq_vendor_variable(variables, name);
    const char *origin = fq_vendor_origin(variables, name);
    bool is_set = value != NULL && value[0] != '\0';
    if (!is_set && fallback[0] == '\0')
        return;
    bool is_file = strcmp(type, "file") == 0;
    print_setting(doctor, name,
                  !is_set                                            ? fallback
                  : is_secret(name, is_file ? "" : type) && !is_file ? "(hidden)"
                                                                     : value,
                  origin != NULL ? origin
                  : is_set       ? "environment"
                                 : "default");
}

// Where FastQueue's defaults are not the SDK's.
static const char *default_of(const struct otel_variable *row) {
    static const char *const own[][2] = {
        {"OTEL_SERVICE_NAME",           "fastqueue"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"     },
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strcmp(row->name, own[i][0]) == 0)
            return own[i][1];
    }
    return row->default_value;
}

static void show_configuration(const struct fq_doctor *doctor, struct fq_vendor_variables *variables) {
    static const char *const files[] = {"OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"};
    struct otel_variable row;
    const char *file = NULL;
#define FQ_VARIABLE(name, meaning, fallback) show_setting(doctor, variables, name, "", fallback);
#include "telemetry/variable.def"
#undef FQ_VARIABLE
    for (size_t i = 0; i < 2 && (file == NULL || file[0] == '\0'); i++) {
        file = fq_vendor_variable(variables, files[i]);
        if (file != NULL && file[0] != '\0')
            print_setting(doctor, files[i], file, "environment; no other OTEL_ variable counts");
    }
    for (size_t i = 0; (file == NULL || file[0] == '\0') && otel_variable_at(i, &row); i++)
        show_setting(doctor, variables, row.name, row.type, default_of(&row));
    if (!doctor->as_json)
        putchar('\n');
}

// --- the receivers -----------------------------------------------------------------------------------------------------
static void describe(const struct otel_destination *destination, char *text, size_t size) {
    size_t used = (size_t)snprintf(
        text, size, "%s%s%s", destination->protocol, destination->protocol[0] != '\0' ? " " : "",
        destination->endpoint[0] != '\0' ? destination->endpoint : destination->component_type);
    for (size_t i = 0; destination->header_keys[i] != NULL && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? ", with header " : ", ",
                                 destination->header_keys[i]);
}

// Exporters say what to do behind what happened. One that was still waiting at the end has heard nothing.
static void report_undelivered(struct fq_doctor *doctor, const char *check, const char *where,
                               const char *error) {
    if (error[0] == '\0' || strncmp(error, "given up", 8) == 0)
        error =
            "no answer within 5 s; check the port, and whether it is one of TLS (https://) or not (http://)";
    const char *remedy = strstr(error, "; ");
    fq_doctor_report(doctor, check, FQ_CHECK_FAILED,
                     remedy != NULL ? remedy + 2 : "see the receiver's log, and docs/troubleshooting.md",
                     "%s: not delivered: %.*s", where,
                     (int)(remedy != NULL ? remedy - error : (long)strlen(error)), error);
}

static void judge(struct fq_doctor *doctor, const struct otel_destination *destination) {
    const struct otel_exporter_stats *stats = &destination->stats;
    const char *check = signal_names[destination->signal];
    char where[600], rejected[64] = "";
    describe(destination, where, sizeof where);
    if (stats->rejected > 0) {
        snprintf(rejected, sizeof rejected, "%llu rejected", (unsigned long long)stats->rejected);
        fq_doctor_report(doctor, check, FQ_CHECK_FAILED,
                         "the receiver's message says why; its log may say more", "%s: %s: %s", where,
                         rejected, stats->last_error);
    } else if (stats->failed > 0 || (stats->exported == 0 && destination->endpoint[0] != '\0')) {
        report_undelivered(doctor, check, where, stats->last_error);
    } else {
        fq_doctor_report(doctor, check, FQ_CHECK_OK, NULL, "%s: took the test %s", where,
                         destination->signal == OTEL_SIGNAL_TRACES    ? "span"
                         : destination->signal == OTEL_SIGNAL_METRICS ? "metric"
                                                                      : "log record");
    }
}

static void send_test(otel_sdk *sdk) {
    struct otel_attribute attribute = otel_bool("fastqueue.doctor", true);
    struct otel_span_options options = {.root = true, .attributes = &attribute, .attribute_count = 1};
    otel_span *span =
        otel_span_start(otel_sdk_tracer(sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION), "fastqueue.doctor", &options);
    struct otel_scope scope;
    otel_scope_enter_span(&scope, span);
    otel_add(otel_counter(otel_sdk_meter(sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION), "fastqueue.doctor.checks",
                          "{check}", "Times that fastqueue doctor telemetry was run"),
             1, NULL, 0);
    otel_log(otel_sdk_logger(sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION), OTEL_SEVERITY_INFO,
             "fastqueue doctor telemetry");
    otel_scope_leave(&scope);
    otel_span_end(span);
}

static void check_destinations(struct fq_doctor *doctor, otel_sdk *sdk) {
    struct otel_destination destination;
    bool has[OTEL_SIGNAL_COUNT] = {false};
    for (size_t i = 0; otel_sdk_destination(sdk, i, &destination); i++)
        has[destination.signal] = true;
    send_test(sdk);
    otel_sdk_shutdown(sdk, SEND_TIMEOUT_MS);
    for (size_t i = 0; otel_sdk_destination(sdk, i, &destination); i++)
        judge(doctor, &destination);
    for (int signal = 0; signal < OTEL_SIGNAL_COUNT; signal++) {
        if (!has[signal])
            fq_doctor_report(doctor, signal_names[signal], FQ_CHECK_SKIPPED, NULL, "sent nowhere");
    }
}

// --- what the SDK says -------------------------------------------------------------------------------------------------
// What is said while it is set up: warnings about variables, and parts that could not be made. Errors of exports come with
// the receivers.
static void hear(void *context, enum fq_log_level level, const char *text) {
    struct fq_doctor *doctor = context;
    if (level == FQ_LOG_WARNING || level == FQ_LOG_ERROR)
        fq_doctor_report(doctor, "configuration", level == FQ_LOG_ERROR ? FQ_CHECK_FAILED : FQ_CHECK_WARNING,
                         NULL, "%s", strncmp(text, "telemetry ", 10) == 0 ? text + 10 : text);
}

static void deafen(void *context, enum fq_log_level level, const char *text) {
    (void)context;
    (void)level;
    (void)text;
}

static void report_disabled(struct fq_doctor *doctor) {
    const char *switched = getenv("OTEL_SDK_DISABLED"), *file = getenv("OTEL_CONFIG_FILE");
    bool by_file = file != NULL && file[0] != '\0';
    fq_doctor_report(doctor, "telemetry", FQ_CHECK_WARNING,
                     by_file ? "correct the configuration file that OTEL_CONFIG_FILE names"
                             : "unset OTEL_SDK_DISABLED",
                     "the SDK is disabled%s%s; nothing is recorded or sent",
                     !by_file && switched != NULL ? " by OTEL_SDK_DISABLED=" : "",
                     !by_file && switched != NULL ? switched : "");
}

void fq_doctor_check_telemetry(struct fq_doctor *doctor) {
    struct fq_telemetry_settings settings;
    struct fq_vendor_variables variables;
    fq_log log = {.level = FQ_LOG_INFO, .sink = hear, .context = doctor};
    fq_vendor_variables_init(&variables, NULL, NULL, NULL);
    show_configuration(doctor, &variables);
    fq_vendor_variables_done(&variables);
    fq_telemetry_settings_read(&settings, NULL, NULL, &log);
    if (settings.enabled)
        fq_doctor_report(doctor, "telemetry", FQ_CHECK_OK, NULL, "switched on");
    else
        fq_doctor_report(doctor, "telemetry", FQ_CHECK_WARNING, "set FASTQUEUE_TELEMETRY_ENABLED=true",
                         "switched off; what follows is what would happen");
    settings.enabled = true;
    otel_sdk *sdk = fq_telemetry_open(&settings, &(struct fq_telemetry_options){.log = &log});
    log.sink = deafen;
    if (sdk == NULL || otel_sdk_tracer_provider(sdk) == NULL)
        report_disabled(doctor);
    else
        check_destinations(doctor, sdk);
    otel_sdk_free(sdk);
}
