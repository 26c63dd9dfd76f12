// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool fq_output_is_coloured(FILE *out) {
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    bool dumb = terminal == NULL || strcmp(terminal, "dumb") == 0;
    return isatty(fileno(out)) && !dumb && (refused == NULL || *refused == '\0');
}

void fq_output_text(FILE *out, fq_slice text, bool lines) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        bool kept = (byte >= 0x20 && byte != 0x7f) || (lines && (byte == '\n' || byte == '\t'));
        fputc(kept ? byte : '?', out);
    }
}

void fq_output_moment(int64_t unix_ms, char text[FQ_OUTPUT_TIME_SIZE]) {
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    if (unix_ms <= 0 || localtime_r(&seconds, &parts) == NULL) {
        snprintf(text, FQ_OUTPUT_TIME_SIZE, "-");
        return;
    }
    char date[24];
    if (strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        date[0] = '\0';
    snprintf(text, FQ_OUTPUT_TIME_SIZE, "%s.%03d", date, (int)(unix_ms % 1000));
}

void fq_output_duration(int64_t us, char text[FQ_OUTPUT_TIME_SIZE]) {
    int64_t s = us / 1000000;
    if (us < 0)
        snprintf(text, FQ_OUTPUT_TIME_SIZE, "-");
    else if (us < 1000)
        snprintf(text, FQ_OUTPUT_TIME_SIZE, "%" PRId64 "us", us);
    else if (us < 1000000)
        snprintf(text, FQ_OUTPUT_TIME_SIZE, us < 100000 ? "%.1fms" : "%.0fms", (double)us / 1e3);
    else if (s < 100)
        snprintf(text, FQ_OUTPUT_TIME_SIZE, "%.2fs", (double)us / 1e6);
    else if (s < 3600)
        snprintf(text, FQ_OUTPUT_TIME_SIZE, "%" PRId64 "m%02ds", s / 60, (int)(s % 60));
    else if (s < 86400)
        snprintf(text, FQ_OUTPUT_TIME_SIZE, "%" PRId64 "h%02dm", s / 3600, (int)(s / 60 % 60));
    else
        snprintf(text, FQ_OUTPUT_TIME_SIZE, "%" PRId64 "d%02dh", s / 86400, (int)(s / 3600 % 24));
}

void fq_output_count(double count, char text[FQ_OUTPUT_TIME_SIZE]) {
    static const char *const units[] = {"", "k", "M", "G", "T"};
    size_t unit = 0;
    while (count >= 1000 && unit < 4) {
        count /= 1000;
        unit++;
    }
    bool whole = unit == 0 && count == (double)(int64_t)count;
    snprintf(text, FQ_OUTPUT_TIME_SIZE, whole || count >= 100 ? "%.0f%s" : "%.1f%s", count, units[unit]);
}

// --- JSON ---------------------------------------------------------------------------------------------------------------

static json_t *base64(fq_slice bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((bytes.len + 2) / 3 * 4 + sizeof "base64:");
    if (text == NULL)
        return NULL;
    char *out = stpcpy(text, "base64:");
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)(unsigned char)bytes.ptr[i] << 16;
        group |= left > 1 ? (uint32_t)(unsigned char)bytes.ptr[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)(unsigned char)bytes.ptr[i + 2] : 0;
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = '=';
        *out++ = '=';
        if (left > 1)
            out[-2] = digits[group >> 6 & 63];
        if (left > 2)
            out[-1] = digits[group & 63];
    }
    *out = '\0';
    json_t *string = json_string(text);
    free(text);
    return string;
}

json_t *fq_output_json_text(fq_slice text) {
    json_t *string = json_stringn(text.ptr != NULL ? text.ptr : "", text.len);
    return string != NULL ? string : base64(text);
}

static json_t *array_to_json(const struct fq_value *values, uint32_t at) {
    json_t *array = json_array();
    uint32_t child = at + 1;
    for (uint32_t i = 0; i < values[at].child_count; i++, child = values[child].next)
        json_array_append_new(array, fq_output_json(values, child));
    return array;
}

static json_t *map_to_json(const struct fq_value *values, uint32_t at) {
    json_t *object = json_object();
    uint32_t key = at + 1;
    for (uint32_t i = 0; i + 1 < values[at].child_count; i += 2) {
        uint32_t child = values[key].next;
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)(values[key].text.len < 127 ? values[key].text.len : 127),
                 values[key].text.ptr != NULL ? values[key].text.ptr : "");
        json_object_set_new(object, name, fq_output_json(values, child));
        key = values[child].next;
    }
    return object;
}

json_t *fq_output_json(const struct fq_value *values, uint32_t at) {
    const struct fq_value *value = &values[at];
    switch (value->type) {
    case FQ_VALUE_NIL: return json_null();
    case FQ_VALUE_TEXT:
    case FQ_VALUE_ERROR: return fq_output_json_text(value->text);
    case FQ_VALUE_INTEGER: return json_integer(value->integer);
    case FQ_VALUE_DOUBLE: return json_real(value->real);
    case FQ_VALUE_BOOLEAN: return json_boolean(value->integer != 0);
    case FQ_VALUE_ARRAY: return array_to_json(values, at);
    case FQ_VALUE_MAP: return map_to_json(values, at);
    }
    return json_null();
}

void fq_output_json_line(json_t *document) {
    if (document == NULL || json_dumpf(document, stdout, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        fputs("fastqueue: a value cannot be printed as JSON\n", stderr);
    putchar('\n');
    json_decref(document);
}
