// SPDX-License-Identifier: Apache-2.0
// The table of variables, for those who print it.
#include "otel/sdk.h"

#include <stdio.h>

enum type { BOOL, NUMBER, DURATION, TIMEOUT, RATIO, WORD, WORDS, TEXT, FILE_NAME, SECRET };
#define FILE FILE_NAME // rows say FILE
static const char *const type_names[] = {"boolean", "number", "milliseconds", "milliseconds", "ratio",
                                         "word",    "words",  "text",         "file",         "secret"};

struct row {
    const char *name;
    enum type type;
    const char *default_value, *help;
    bool per_signal;
};
static const struct row rows[] = {
#define OTEL_VARIABLE(name, type, default_value, help)      {name, type, default_value, help, false},
#define OTEL_VARIABLE_OTLP(name, type, default_value, help) {name, type, default_value, help, true},
#include "otel/config/variable.def"
#undef OTEL_VARIABLE
#undef OTEL_VARIABLE_OTLP
};
#undef FILE

bool otel_variable_at(size_t index, struct otel_variable *ret_variable) {
    static const char *const prefixes[] = {"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_",
                                           "OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_LOGS_"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t forms = rows[i].per_signal ? 4 : 1;
        if (index >= forms) {
            index -= forms;
            continue;
        }
        snprintf(ret_variable->name, sizeof ret_variable->name, "%s%s",
                 rows[i].per_signal ? prefixes[index] : "", rows[i].name);
        ret_variable->type = type_names[rows[i].type];
        ret_variable->default_value = index == 0 ? rows[i].default_value : "";
        ret_variable->help = rows[i].help;
        return true;
    }
    return false;
}
