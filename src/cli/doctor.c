// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor.h"

#include "cli/output.h"
#include "cli/task_module.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const verdicts[] = {"ok", "warning", "failed", "skipped"};

static void print_json(const char *check, const char *verdict, const char *found, const char *remedy) {
    json_t *object = json_object();
    json_object_set_new(object, "check", json_string(check));
    json_object_set_new(object, "verdict", json_string(verdict));
    json_object_set_new(object, "found", fq_output_json_text((fq_slice){found, strlen(found)}));
    json_object_set_new(object, "remedy", remedy != NULL ? json_string(remedy) : json_null());
    fq_output_json_line(object);
}

static void print_text(const struct fq_doctor *doctor, const char *check, enum fq_verdict_of_check verdict,
                       const char *found, const char *remedy) {
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m", "\033[2m"};
    printf("%s%-8s%s %-14s ", doctor->coloured ? colours[verdict] : "", verdicts[verdict],
           doctor->coloured ? "\033[0m" : "", check);
    fq_output_text(stdout, (fq_slice){found, strlen(found)}, false);
    putchar('\n');
    if (remedy != NULL)
        printf("%24s-> %s\n", "", remedy);
}

void fq_doctor_report(struct fq_doctor *doctor, const char *check, enum fq_verdict_of_check verdict,
                      const char *remedy, const char *format, ...) {
    char found[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(found, sizeof found, format, args);
    va_end(args);
    doctor->counts[verdict]++;
    if (doctor->as_json)
        print_json(check, verdicts[verdict], found, remedy);
    else
        print_text(doctor, check, verdict, found, remedy);
    fflush(stdout);
}

static void count_name(void *context, const char *name) {
    (void)name;
    ++*(unsigned *)context;
}

void fq_doctor_check_modules(struct fq_doctor *doctor) {
    const struct fq_option_value *modules = &doctor->options->values[FQ_OPTION_TASK_MODULES];
    char python[PATH_MAX], errstr[512];
    fq_task_module_python(fq_option_text(doctor->options, FQ_OPTION_PYTHON), python, sizeof python);
    if (modules->item_count == 0)
        fq_doctor_report(doctor, "task modules", FQ_CHECK_SKIPPED, NULL, "none named with --task-modules");
    for (size_t i = 0; i < modules->item_count; i++) {
        const char *module = modules->items[i];
        bool shared_object = fq_task_module_is_shared_object(module);
        unsigned count = 0;
        if (fq_task_module_names(module, python, count_name, &count, errstr, sizeof errstr) < 0)
            fq_doctor_report(
                doctor, "task modules", FQ_CHECK_FAILED,
                shared_object
                    ? "check the path, and that it was linked with -shared against the libraries it needs"
                    : "check the spelling, the current directory, and --python",
                "%s: %s", module, errstr);
        else if (count == 0)
            fq_doctor_report(doctor, "task modules", FQ_CHECK_WARNING,
                             "mark functions with @task or FQ_TASK(name)", "%s defines no task", module);
        else
            fq_doctor_report(doctor, "task modules", FQ_CHECK_OK, NULL, "%s: %u task%s", module, count,
                             count == 1 ? "" : "s");
    }
}

int fq_verb_doctor(struct fq_cli *cli) {
    struct fq_doctor doctor = {.options = cli->options,
                               .as_json = fq_option_number(cli->options, FQ_OPTION_JSON) != 0,
                               .coloured = fq_output_is_coloured(stdout)};
    if (cli->options->operand_count > 0) {
        if (strcmp(cli->options->operands[0], "telemetry") != 0) {
            fprintf(stderr, "fastqueue doctor: unknown subject '%s'; there is: telemetry\n",
                    cli->options->operands[0]);
            return FQ_EXIT_USAGE;
        }
        fq_doctor_check_telemetry(&doctor);
    } else {
        fq_doctor_check_server(&doctor);
        fq_doctor_check_data_dir(&doctor);
        fq_doctor_check_limits(&doctor);
        fq_doctor_check_modules(&doctor);
    }
    if (!doctor.as_json)
        printf("\n%u ok, %u warning%s, %u failed\n", doctor.counts[FQ_CHECK_OK],
               doctor.counts[FQ_CHECK_WARNING], doctor.counts[FQ_CHECK_WARNING] == 1 ? "" : "s",
               doctor.counts[FQ_CHECK_FAILED]);
    return doctor.counts[FQ_CHECK_FAILED] > 0 ? FQ_EXIT_FAILED : FQ_EXIT_OK;
}
