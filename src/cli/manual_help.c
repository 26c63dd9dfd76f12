// SPDX-License-Identifier: Apache-2.0
// Help on the terminal.
#include "cli/manual.h"
#include "fastqueue/version.h"

#include <string.h>

enum { WIDTH = 100, INDENT = 6 };

const char *fq_manual_group(enum fq_verb_group group) {
    switch (group) {
    case FQ_GROUP_SERVE: return "Running";
    case FQ_GROUP_TASKS: return "Tasks";
    case FQ_GROUP_ADMIN: return "Looking after it";
    case FQ_GROUP_HIDDEN: break;
    }
    return "";
}

void fq_manual_flag(FILE *out, const struct fq_option_row *row, bool with_short) {
    if (row->flag == NULL)
        return;
    if (with_short && row->short_flag != 0)
        fprintf(out, "-%c, ", row->short_flag);
    int first = (int)strcspn(row->flag, "|");
    fprintf(out, "--%.*s", first, row->flag);
    for (const char *alias = row->flag + first; *alias == '|';) {
        int len = (int)strcspn(alias + 1, "|");
        fprintf(out, ", --%.*s", len, alias + 1);
        alias += 1 + len;
    }
    if (row->argument != NULL)
        fprintf(out, " %s", row->argument);
}

// Breaks `text` into lines between INDENT and WIDTH.
static void print_wrapped(FILE *out, int indent, const char *text) {
    int column = 0;
    for (const char *word = text; *word != '\0';) {
        int len = (int)strcspn(word, " ");
        if (column > 0 && column + 1 + len > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        if (column == 0)
            column = fprintf(out, "%*s%.*s", indent, "", len, word);
        else
            column += fprintf(out, " %.*s", len, word);
        word += len;
        word += strspn(word, " ");
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const struct fq_option_row *row) {
    char text[1024];
    fputs("  ", out);
    if (row->flag != NULL)
        fq_manual_flag(out, row, true);
    else
        fprintf(out, "$%s", row->variable);
    fputc('\n', out);
    int used =
        snprintf(text, sizeof text, "%s", row->section == FQ_SECTION_OBSOLETE ? row->detail : row->help);
    if (row->type == FQ_OPTION_TYPE_CHOICE)
        used += snprintf(text + used, sizeof text - (size_t)used, " (%s)", row->detail);
    if (row->fallback != NULL && strcmp(row->fallback, "") != 0)
        used += snprintf(text + used, sizeof text - (size_t)used, " [default: %s]", row->fallback);
    if (row->variable != NULL && row->flag != NULL)
        snprintf(text + used, sizeof text - (size_t)used, " [$%.*s]", (int)strcspn(row->variable, " "),
                 row->variable);
    print_wrapped(out, INDENT, text);
}

static void print_section(FILE *out, enum fq_verb verb, enum fq_section section) {
    bool open = false;
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        if (row->section != section || !fq_option_belongs(row, verb))
            continue;
        if (!open)
            fprintf(out, "\n%s:\n", fq_section_title(section));
        open = true;
        print_option(out, row);
    }
}

void fq_manual_verb(FILE *out, enum fq_verb verb) {
    const struct fq_verb_row *row = fq_verb_row(verb);
    fprintf(out, "usage: fastqueue %s [OPTION...]%s%s\n\n", row->name, *row->operands != '\0' ? " " : "",
            row->operands);
    char text[1024];
    snprintf(text, sizeof text, "%s. %s", row->summary, row->detail);
    if (text[0] >= 'a' && text[0] <= 'z')
        text[0] = (char)(text[0] - 32);
    print_wrapped(out, 0, text);
    for (int section = 0; section < FQ_SECTION_SHOWN; section++)
        print_section(out, verb, (enum fq_section)section);
}

void fq_manual_program(FILE *out) {
    fputs("usage: fastqueue [OPTION...] VERB [OPTION...] [OPERAND...]\n\n"
          "FastQueue " FQ_VERSION ": a durable task queue in one binary.\n",
          out);
    for (int group = FQ_GROUP_SERVE; group < FQ_GROUP_HIDDEN; group++) {
        fprintf(out, "\n%s:\n", fq_manual_group((enum fq_verb_group)group));
        for (int i = 0; i < FQ_VERB_COUNT; i++) {
            const struct fq_verb_row *row = fq_verb_row((enum fq_verb)i);
            if ((int)row->group == group)
                fprintf(out, "  %-14s %s\n", row->name, row->summary);
        }
    }
    fputs("\n'fastqueue VERB --help' lists a verb's options; 'fastqueue help --man | man -l -' is the "
          "manual.\n",
          out);
}
