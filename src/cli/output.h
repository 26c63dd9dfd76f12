// SPDX-License-Identifier: Apache-2.0
// What is printed for people and for programs: safe text, moments, tables, JSON out of replies.
#ifndef FQ_CLI_OUTPUT_H
#define FQ_CLI_OUTPUT_H

#include "fastqueue/session.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/** Colours are for terminals, unless NO_COLOR is set or TERM is "dumb". */
bool fq_output_is_coloured(FILE *out);

/** The text with control bytes, which could command a terminal, replaced by '?'; newline and tab too unless `lines`. */
void fq_output_text(FILE *out, fq_slice text, bool lines);

enum { FQ_OUTPUT_TIME_SIZE = 32 };
/** "2026-01-31 08:00:00.123" of unix milliseconds in local time; "-" for 0. */
void fq_output_moment(int64_t unix_ms, char text[FQ_OUTPUT_TIME_SIZE]);
/** "350us", "12.3ms", "4.56s", "3m20s", "2h05m", "3d04h". */
void fq_output_duration(int64_t us, char text[FQ_OUTPUT_TIME_SIZE]);
/** 950, 1.2k, 34k, 5.6M */
void fq_output_count(double count, char text[FQ_OUTPUT_TIME_SIZE]);

// A table whose columns are as wide as their widest cell. Starts with fq_text_table_init, ends with fq_text_table_print (which
// frees it). Without memory rows are missing at the end and print says so.
enum { FQ_TABLE_COLUMNS_MAX = 16 };
struct fq_text_table {
    const char *headings[FQ_TABLE_COLUMNS_MAX]; // a leading '>' aligns right
    size_t column_count;
    char **cells; // row after row, owned
    size_t cell_count;
    bool out_of_memory;
};
/** Headings, ended by NULL. Borrowed. */
void fq_text_table_init(struct fq_text_table *table, const char *first, ...) __attribute__((sentinel));
/** One cell, printf; rows fill from left to right. */
void fq_text_table_add(struct fq_text_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void fq_text_table_add_slice(struct fq_text_table *table, fq_slice text);
/** Prints to `out`; words of the last column are not cut. `empty` is printed instead of a table without rows. */
void fq_text_table_print(struct fq_text_table *table, FILE *out, const char *empty);

/** The value at `at` as JSON, a new reference; bytes that are no UTF-8 become base64 with a "base64:" in front. */
json_t *fq_output_json(const struct fq_value *values, uint32_t at);
/** Text as a JSON string, with the same rule. */
json_t *fq_output_json_text(fq_slice text);
/** Prints one document and a newline, and drops the reference. */
void fq_output_json_line(json_t *document);

#endif
