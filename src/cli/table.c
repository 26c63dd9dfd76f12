// SPDX-License-Identifier: Apache-2.0
// Tables: cells are collected, then printed in columns as wide as their widest cell.
#include "cli/output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void fq_text_table_init(struct fq_text_table *table, const char *first, ...) {
    *table = (struct fq_text_table){.headings = {first}, .column_count = 1};
    va_list args;
    va_start(args, first);
    for (const char *heading; (heading = va_arg(args, const char *)) != NULL;) {
        if (table->column_count < FQ_TABLE_COLUMNS_MAX)
            table->headings[table->column_count++] = heading;
    }
    va_end(args);
}

// Takes `cell`.
static void add(struct fq_text_table *table, char *cell) {
    char **grown = NULL;
    bool full = (table->cell_count & (table->cell_count - 1)) == 0; // grows at powers of two
    if (cell != NULL && full)
        grown = realloc(table->cells, (table->cell_count == 0 ? 1 : table->cell_count * 2) * sizeof *grown);
    if (cell == NULL || (full && grown == NULL) || table->out_of_memory) {
        table->out_of_memory = true;
        free(cell);
        if (grown != NULL)
            table->cells = grown;
        return;
    }
    if (full)
        table->cells = grown;
    table->cells[table->cell_count++] = cell;
}

void fq_text_table_add(struct fq_text_table *table, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *cell = NULL;
    if (vasprintf(&cell, format, args) < 0)
        cell = NULL;
    va_end(args);
    add(table, cell);
}

void fq_text_table_add_slice(struct fq_text_table *table, fq_slice text) {
    add(table, strndup(text.ptr != NULL ? text.ptr : "", text.len));
}

// Characters, not bytes: continuation bytes of UTF-8 take no column.
static int width_of(const char *text) {
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_cell(FILE *out, const char *text, int width, bool right, bool last) {
    int padding = width - width_of(text);
    if (right)
        fprintf(out, "%*s", padding, "");
    fq_output_text(out, (fq_slice){text, strlen(text)}, false);
    if (!right && !last)
        fprintf(out, "%*s", padding, "");
    if (!last)
        fputs("  ", out);
}

static const char *colour_of(const char *cell) {
    static const struct {
        const char *word, *colour;
    } colours[] = {
        {"success",   "\033[32m"},
        {"failure",   "\033[31m"},
        {"started",   "\033[36m"},
        {"cancelled", "\033[33m"},
        {"expired",   "\033[33m"},
        {"active",    "\033[32m"},
        {"gone",      "\033[31m"},
        {"critical",  "\033[31m"},
        {"scheduled", "\033[34m"},
        {"ok",        "\033[32m"},
        {"warning",   "\033[33m"},
        {"failed",    "\033[31m"},
    };
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
        if (strcmp(cell, colours[i].word) == 0)
            return colours[i].colour;
    }
    return NULL;
}

static void print_row(const struct fq_text_table *table, FILE *out, char *const *cells, const int *widths,
                      bool coloured) {
    for (size_t c = 0; c < table->column_count; c++) {
        const char *colour = coloured ? colour_of(cells[c]) : NULL;
        bool last = c + 1 == table->column_count;
        if (colour != NULL)
            fputs(colour, out);
        print_cell(out, cells[c], widths[c], table->headings[c][0] == '>', last);
        if (colour != NULL)
            fputs("\033[0m", out);
    }
    fputc('\n', out);
}

static void print_headings(const struct fq_text_table *table, FILE *out, const int *widths, bool coloured) {
    if (coloured)
        fputs("\033[1m", out);
    for (size_t c = 0; c < table->column_count; c++) {
        bool right = table->headings[c][0] == '>';
        print_cell(out, table->headings[c] + right, widths[c], right, c + 1 == table->column_count);
    }
    fputs(coloured ? "\033[0m\n" : "\n", out);
}

void fq_text_table_print(struct fq_text_table *table, FILE *out, const char *empty) {
    size_t rows = table->cell_count / table->column_count;
    int widths[FQ_TABLE_COLUMNS_MAX] = {0};
    bool coloured = fq_output_is_coloured(out);
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = width_of(table->headings[c]) - (table->headings[c][0] == '>');
        for (size_t r = 0; r < rows; r++) {
            int width = width_of(table->cells[r * table->column_count + c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    if (rows == 0)
        fprintf(out, "%s\n", empty);
    else
        print_headings(table, out, widths, coloured);
    for (size_t r = 0; r < rows; r++)
        print_row(table, out, table->cells + r * table->column_count, widths, coloured);
    if (table->out_of_memory)
        fputs("(out of memory: rows are missing)\n", out);
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    table->cells = NULL;
    table->cell_count = 0;
}
