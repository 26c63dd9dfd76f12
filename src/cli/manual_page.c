// SPDX-License-Identifier: Apache-2.0
// The manual page and the shell completion.
#include "cli/manual.h"
#include "fastqueue/version.h"

#include <string.h>

// Roff takes '-' for a hyphen, '\' for an escape, and '.' or ''' at a line's begin for a request.
static void print_roff(FILE *out, const char *text) {
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text != '\0'; text++) {
        if (*text == '-' || *text == '\\')
            fputc('\\', out);
        if (*text == '\\')
            fputc('e', out);
        else
            fputc(*text, out);
    }
}

static void print_roff_flag(FILE *out, const struct fq_option_row *row) {
    char text[160];
    FILE *memory = fmemopen(text, sizeof text, "w");
    if (memory == NULL)
        return;
    fq_manual_flag(memory, row, true);
    fclose(memory);
    text[sizeof text - 1] = '\0';
    fputs(".TP\n.B ", out);
    print_roff(out, text);
    fputc('\n', out);
}

static void print_roff_option(FILE *out, const struct fq_option_row *row) {
    if (row->flag == NULL)
        return;
    print_roff_flag(out, row);
    print_roff(out, row->section == FQ_SECTION_OBSOLETE ? row->detail : row->help);
    if (row->type == FQ_OPTION_TYPE_CHOICE)
        fprintf(out, " (%s)", row->detail);
    if (row->fallback != NULL) {
        fputs("; default: ", out);
        print_roff(out, row->fallback);
    }
    if (row->variable != NULL)
        fprintf(out, "; $%.*s", (int)strcspn(row->variable, " "), row->variable);
    fputs(".\n", out);
}

static void print_roff_verb(FILE *out, const struct fq_verb_row *verb) {
    fprintf(out, ".SS fastqueue ");
    print_roff(out, verb->name);
    fprintf(out, " %s\n", verb->operands);
    print_roff(out, verb->summary);
    fputs(".\n", out);
    if (*verb->detail != '\0') {
        print_roff(out, verb->detail);
        fputc('\n', out);
    }
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        if (fq_option_belongs(row, verb->verb) && row->section != FQ_SECTION_GENERAL &&
            row->section != FQ_SECTION_HIDDEN && row->section != FQ_SECTION_CONNECTION &&
            row->section != FQ_SECTION_SECURITY)
            print_roff_option(out, row);
    }
}

static void print_roff_section(FILE *out, enum fq_section section) {
    fprintf(out, ".SS %s\n", fq_section_title(section));
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        if (row->section == section)
            print_roff_option(out, row);
    }
}

void fq_manual_roff(FILE *out) {
    fputs(".TH FASTQUEUE 1 \"\" \"FastQueue " FQ_VERSION "\" \"User Commands\"\n.SH NAME\n"
          "fastqueue \\- a durable task queue in one binary\n.SH SYNOPSIS\n.B fastqueue\n"
          "[OPTION...] VERB [OPTION...] [OPERAND...]\n.SH DESCRIPTION\n"
          "One program is control plane, worker and admin tool. A flag beats the environment, the "
          "environment beats the\n"
          "default; \\-\\-print\\-config shows the outcome of every verb. Times take ms, s, m, h or d and "
          "are seconds without a unit;\n"
          "sizes take KiB, MiB, GiB.\n.SH VERBS\n",
          out);
    for (int i = 0; i < FQ_VERB_COUNT; i++) {
        const struct fq_verb_row *row = fq_verb_row((enum fq_verb)i);
        if (row->group != FQ_GROUP_HIDDEN)
            print_roff_verb(out, row);
    }
    fputs(".SH OPTIONS SHARED BY VERBS\n", out);
    print_roff_section(out, FQ_SECTION_CONNECTION);
    print_roff_section(out, FQ_SECTION_SECURITY);
    print_roff_section(out, FQ_SECTION_GENERAL);
    fputs(".SH ENVIRONMENT\nVariables are named beside their options. FASTQUEUE_TOKEN holds the secret; "
          "there is no flag for it, since\n"
          "other users of the machine can read command lines.\n.SH EXIT STATUS\n",
          out);
#define FQ_EXIT(name, number, meaning) fprintf(out, ".TP\n.B %d\n%s\n", number, meaning);
#include "cli/exit.def"
#undef FQ_EXIT
}

// --- bash ---------------------------------------------------------------------------------------------------------------

static void print_flags(FILE *out, enum fq_verb verb) {
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        if (row->flag != NULL && row->section < FQ_SECTION_OBSOLETE && fq_option_belongs(row, verb))
            fprintf(out, " --%.*s", (int)strcspn(row->flag, "|"), row->flag);
    }
}

static void print_choices(FILE *out) {
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        if (row->type != FQ_OPTION_TYPE_CHOICE)
            continue;
        bool seen = false; // another row of the same flag came before
        for (int j = 0; j < i; j++) {
            const struct fq_option_row *other = fq_option_row((enum fq_option)j);
            seen = seen || (other->type == FQ_OPTION_TYPE_CHOICE && strcmp(other->flag, row->flag) == 0);
        }
        if (seen)
            continue;
        char words[128];
        snprintf(words, sizeof words, "%s", row->detail);
        for (char *bar = words; (bar = strchr(bar, '|')) != NULL;)
            *bar = ' ';
        fprintf(out, "        --%.*s) COMPREPLY=($(compgen -W \"%s\" -- \"$current\")); return ;;\n",
                (int)strcspn(row->flag, "|"), row->flag, words);
    }
}

void fq_manual_bash(FILE *out) {
    fputs("# Completion of fastqueue for bash.\n_fastqueue() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} verb= word\n"
          "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
          "        case $word in -*) ;; *) verb=$word; break ;; esac\n    done\n    case $previous in\n",
          out);
    print_choices(out);
    fputs("        --*-file|--tls-*|--data-dir|--python) COMPREPLY=($(compgen -f -- \"$current\")); return "
          ";;\n    esac\n"
          "    case $verb in\n        '') COMPREPLY=($(compgen -W \"",
          out);
    for (int i = 0; i < FQ_VERB_COUNT; i++) {
        const struct fq_verb_row *row = fq_verb_row((enum fq_verb)i);
        if (row->group != FQ_GROUP_HIDDEN)
            fprintf(out, "%s%s", i > 0 ? " " : "", row->name);
    }
    fputs("\" -- \"$current\")) ;;\n", out);
    for (int i = 0; i < FQ_VERB_COUNT; i++) {
        const struct fq_verb_row *row = fq_verb_row((enum fq_verb)i);
        if (row->group == FQ_GROUP_HIDDEN)
            continue;
        fprintf(out, "        %s) COMPREPLY=($(compgen -W \"", row->name);
        print_flags(out, row->verb);
        fputs("\" -- \"$current\")) ;;\n", out);
    }
    fputs("    esac\n}\ncomplete -o default -F _fastqueue fastqueue\n", out);
}
