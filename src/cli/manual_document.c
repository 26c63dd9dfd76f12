// SPDX-License-Identifier: Apache-2.0
// docs/cli.md, docs/configuration.md and the configuration in force.
#include "cli/manual.h"

#include "otel/sdk.h"

#include <string.h>

// A table cell: '|' would end it.
static void print_cell(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_flag_cell(FILE *out, const struct fq_option_row *row) {
    char text[160] = "";
    FILE *memory = fmemopen(text, sizeof text, "w");
    if (memory == NULL)
        return;
    fq_manual_flag(memory, row, true);
    fclose(memory);
    fputc('`', out);
    print_cell(out, text);
    fputc('`', out);
}

static void print_help_cell(FILE *out, const struct fq_option_row *row) {
    print_cell(out, row->section == FQ_SECTION_OBSOLETE ? row->detail : row->help);
    bool said = row->argument != NULL && strcmp(row->argument, row->detail) == 0;
    if (row->type == FQ_OPTION_TYPE_CHOICE && !said) {
        fputs(" (`", out);
        print_cell(out, row->detail);
        fputs("`)", out);
    }
}

static void print_fallback(FILE *out, const struct fq_option_row *row) {
    if (row->fallback != NULL)
        fprintf(out, "`%s`", row->fallback);
}

static void print_verb(FILE *out, const struct fq_verb_row *verb) {
    bool operands = *verb->operands != '\0', detail = *verb->detail != '\0';
    fprintf(out, "\n### fastqueue %s%s%s\n\n%c%s.%s%s\n\n| option | meaning | default |\n|---|---|---|\n",
            verb->name, operands ? " " : "", verb->operands, verb->summary[0] - 'a' + 'A', verb->summary + 1,
            detail ? " " : "", verb->detail);
    for (int section = 0; section < FQ_SECTION_GENERAL; section++) {
        for (int i = 0; i < FQ_OPTION_COUNT; i++) {
            const struct fq_option_row *row = fq_option_row((enum fq_option)i);
            if (row->flag == NULL || (int)row->section != section || !fq_option_belongs(row, verb->verb))
                continue;
            fputs("| ", out);
            print_flag_cell(out, row);
            fputs(" | ", out);
            print_help_cell(out, row);
            fputs(" | ", out);
            print_fallback(out, row);
            fputs(" |\n", out);
        }
    }
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        bool own = row->section == FQ_SECTION_GENERAL && row->verbs != fq_option_row(FQ_OPTION_HELP)->verbs;
        if (!own || !fq_option_belongs(row, verb->verb))
            continue;
        fputs("| ", out);
        print_flag_cell(out, row);
        fputs(" | ", out);
        print_help_cell(out, row);
        fputs(" | ", out);
        print_fallback(out, row);
        fputs(" |\n", out);
    }
}

void fq_manual_cli_document(FILE *out) {
    fputs("<!-- Printed by `fastqueue help --document cli`; do not edit. -->\n# The command line\n\n"
          "`fastqueue [OPTION...] VERB [OPTION...] [OPERAND...]`. A flag beats the environment, the "
          "environment beats the default;\n"
          "`--print-config` on any verb shows every value and where it came from. Values follow as `--flag "
          "value` or `--flag=value`;\n"
          "`VALUE...` takes the words up to the next option and may be repeated; `--` ends the options. "
          "Times take `ms`, `s`, `m`,\n"
          "`h` or `d` and are seconds without a unit; sizes take `KiB`, `MiB`, `GiB`.\n\n"
          "Every verb also takes `--log-level`, `--log-format`, `--print-config`, `--help` and `--version`. "
          "The secret of a user is\n"
          "read from `FASTQUEUE_TOKEN` or `--token-file`, never from a flag: others on the machine can read "
          "command lines.\n\n"
          "Tables are coloured on a terminal only, and never with `NO_COLOR` set.\n\n## JSON\n\n"
          "With `--json` a verb prints one JSON document, or, where it lists, one a line. Times are unix\n"
          "milliseconds, 0 = not yet. A text that is no UTF-8 becomes `base64:` and its bytes in base64. "
          "Keys are\n"
          "only ever added.\n\n| verb | keys |\n|---|---|\n",
          out);
#define FQ_JSON(verbs, keys) fputs("| " verbs " | " keys " |\n", out);
#include "cli/json.def"
#undef FQ_JSON
    fputs("\n## Exit codes\n\n| code | meaning |\n|---|---|\n", out);
#define FQ_EXIT(name, number, meaning) fprintf(out, "| %d | %s |\n", number, meaning);
#include "cli/exit.def"
#undef FQ_EXIT
    for (int group = FQ_GROUP_SERVE; group < FQ_GROUP_HIDDEN; group++) {
        fprintf(out, "\n## %s\n", fq_manual_group((enum fq_verb_group)group));
        for (int i = 0; i < FQ_VERB_COUNT; i++) {
            const struct fq_verb_row *row = fq_verb_row((enum fq_verb)i);
            if ((int)row->group == group)
                print_verb(out, row);
        }
    }
}

// The verbs of a set; the large sets have names.
static void print_verbs(FILE *out, uint32_t verbs) {
    uint32_t connecting = fq_option_row(FQ_OPTION_CONTROL_PLANE_ADDRESS)->verbs;
    if (verbs == fq_option_row(FQ_OPTION_HELP)->verbs) {
        fputs("every verb", out);
        return;
    }
    const char *separator = "";
    if ((verbs & connecting) == connecting) {
        fputs("all that connect", out);
        verbs &= ~connecting;
        separator = ", ";
    }
    for (int i = 0; i < FQ_VERB_COUNT; i++) {
        const struct fq_verb_row *verb = fq_verb_row((enum fq_verb)i);
        if (verb->group == FQ_GROUP_HIDDEN || (verbs & 1u << i) == 0)
            continue;
        fprintf(out, "%s%s", separator, verb->name);
        separator = ", ";
    }
}

static void print_variable_row(FILE *out, const struct fq_option_row *row) {
    fprintf(out, "| `%.*s` | ", (int)strcspn(row->variable, " "), row->variable);
    if (row->flag != NULL)
        print_flag_cell(out, row);
    fputs(" | ", out);
    print_help_cell(out, row);
    fputs(" | ", out);
    print_fallback(out, row);
    fputs(" | ", out);
    print_verbs(out, row->verbs);
    fputs(" |\n", out);
}

static void print_otel_variables(FILE *out) {
    struct otel_variable row;
    fputs("\n## OpenTelemetry\n\n"
          "Read when telemetry is on, by the rules of the OpenTelemetry specification: a boolean is true "
          "only as `true`, "
          "what makes\n"
          "no sense is warned of and left out. FastQueue's own defaults: service name `fastqueue`, protocol "
          "`grpc`.\n\n"
          "| variable | type | meaning | default |\n|---|---|---|---|\n",
          out);
    for (size_t i = 0; otel_variable_at(i, &row); i++)
        fprintf(out, "| `%s` | %s | %s | %s%s%s |\n", row.name, row.type, row.help,
                row.default_value[0] ? "`" : "", row.default_value, row.default_value[0] ? "`" : "");
}

void fq_manual_configuration_document(FILE *out) {
    fputs("<!-- Printed by `fastqueue help --document configuration`; do not edit. -->\n# Configuration\n\n"
          "There is no configuration file: flags, environment variables, defaults, in this order. `fastqueue "
          "VERB --print-config`\n"
          "prints each value with its origin, as JSON with `--json` where the verb has it. An empty variable "
          "counts as absent.\n"
          "Each `FASTQUEUE_X` is also read as `FASTWORKER_X`, after it.\n",
          out);
    for (int section = 0; section < FQ_SECTION_SHOWN; section++) {
        bool open = false;
        for (int i = 0; i < FQ_OPTION_COUNT; i++) {
            const struct fq_option_row *row = fq_option_row((enum fq_option)i);
            if ((int)row->section != section || row->variable == NULL)
                continue;
            if (!open)
                fprintf(out,
                        "\n## %s\n\n| variable | flag | meaning | default | verbs |\n|---|---|---|---|---|\n",
                        fq_section_title((enum fq_section)section));
            open = true;
            print_variable_row(out, row);
        }
    }
    fputs("\n## Other variables\n\n| variable | meaning | default |\n|---|---|---|\n", out);
#define FQ_VARIABLE(name, meaning, fallback) fputs("| `" name "` | " meaning " | " fallback " |\n", out);
#include "cli/variable.def"
#undef FQ_VARIABLE
    print_otel_variables(out);
}

// --- the configuration in force ---------------------------------------------------------------------------------------

static void print_json_text(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            fprintf(out, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

// An address may carry `user:token@`: only what is behind it is shown.
static const char *without_credentials(const char *text) {
    const char *at = strstr(text, "://") != NULL ? strrchr(text, '@') : NULL;
    return at != NULL ? at + 1 : text;
}

static void format_value(const struct fq_option_row *row, const struct fq_option_value *value, char *text,
                         size_t size) {
    if (value->origin == FQ_ORIGIN_NONE)
        snprintf(text, size, "%s", row->type == FQ_OPTION_TYPE_BOOLEAN ? "false" : "");
    else if (row->type == FQ_OPTION_TYPE_SECRET)
        snprintf(text, size, "(hidden)");
    else if (row->type == FQ_OPTION_TYPE_BOOLEAN)
        snprintf(text, size, "%s", value->number ? "true" : "false");
    else if (row->type == FQ_OPTION_TYPE_LIST) {
        size_t used = 0;
        text[0] = '\0';
        for (size_t i = 0; i < value->item_count && used < size; i++)
            used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? " " : "",
                                     without_credentials(value->items[i]));
    } else
        snprintf(text, size, "%s", value->text != NULL ? without_credentials(value->text) : "");
}

void fq_manual_configuration(FILE *out, const struct fq_options *options, bool as_json) {
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        const struct fq_option_value *value = &options->values[i];
        if (!fq_option_belongs(row, options->verb) || row->type == FQ_OPTION_TYPE_OBSOLETE ||
            row->section == FQ_SECTION_HIDDEN || i == FQ_OPTION_PRINT_CONFIG || i == FQ_OPTION_HELP ||
            i == FQ_OPTION_VERSION)
            continue;
        char text[1024], name[FQ_OPTION_FLAG_SIZE];
        const char *shown = row->flag != NULL ? row->flag : "token";
        snprintf(name, sizeof name, "%.*s", (int)strcspn(shown, "|"), shown);
        format_value(row, value, text, sizeof text);
        static const char *const origins[] = {"unset", "default", "environment", "flag"};
        const char *variable = value->variable != NULL ? value->variable : "";
        if (as_json) {
            fprintf(out, "{\"option\": \"%s\", \"value\": ", name);
            print_json_text(out, text);
            fprintf(out, ", \"origin\": \"%s\", \"variable\": \"%s\"}\n", origins[value->origin], variable);
        } else
            fprintf(out, "%-24s %-36s %s%s%s\n", name, text, origins[value->origin],
                    *variable != '\0' ? " " : "", variable);
    }
}
