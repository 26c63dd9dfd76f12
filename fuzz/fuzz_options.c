// SPDX-License-Identifier: Apache-2.0
// A command line and its environment. The first byte chooses the verb; then lines: `$NAME=VALUE` is a variable, any other line
// a word. Either the values keep to their ranges, or there is one sentence for the user. Words go on where programs take them:
// as addresses, and as arguments of a task.
#include "lines.h"
#include "target.h"

#include "base/assert.h"
#include "cli/option.h"
#include "cli/submit_words.h"
#include "net/address.h"

#include <jansson.h>

static const char *environment(void *context, const char *name) {
    char with_mark[200];
    size_t len = strlen(name);
    FQ_ASSERT(len + 2 < sizeof with_mark);
    with_mark[0] = '$';
    memcpy(with_mark + 1, name, len + 1);
    return lines_variable(context, with_mark);
}

static void check_values(const struct fq_options *options) {
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        const struct fq_option_value *value = &options->values[i];
        bool is_number = row->type == FQ_OPTION_TYPE_INTEGER || row->type == FQ_OPTION_TYPE_SIZE ||
                         row->type == FQ_OPTION_TYPE_DURATION;
        if (is_number && value->origin > FQ_ORIGIN_DEFAULT)
            FQ_ASSERT(value->number >= row->least && value->number <= row->most);
        for (size_t k = 0; k < value->item_count; k++)
            FQ_ASSERT(value->items[k] != NULL);
    }
}

static void parse(enum fq_verb verb, const struct lines *lines) {
    const char *argv[FUZZ_LINES_MAX];
    int argc = 0;
    for (size_t i = 0; i < lines->count; i++)
        if (lines->at[i][0] != '$')
            argv[argc++] = lines->at[i];
    struct fq_options options;
    int rc = fq_options_parse(&options, verb, argc, argv, environment, (void *)(uintptr_t)lines);
    FQ_ASSERT(rc == 0 || rc == FQ_EINVALID);
    FQ_ASSERT(memchr(options.error, '\0', sizeof options.error) != NULL &&
              memchr(options.notice, '\0', sizeof options.notice) != NULL);
    FQ_ASSERT((rc == 0) == (options.error[0] == '\0'));
    if (rc == 0)
        check_values(&options);
    fq_options_done(&options);
}

static void check_address(const char *word) {
    struct fq_address address, again;
    const char *reason = NULL;
    char text[FQ_ADDRESS_TEXT];
    if (fq_address_parse(fq_str_of(word), &address, &reason) < 0) {
        FQ_ASSERT(reason != NULL);
        return;
    }
    fq_address_format(&address, text);
    FQ_ASSERT(fq_address_parse(fq_str_of(text), &again, &reason) == 0);
    FQ_ASSERT(again.kind == address.kind && again.port == address.port &&
              strcmp(again.host, address.host) == 0 && strcmp(again.path, address.path) == 0);
    FQ_ASSERT(fq_address_is_local(&again) == fq_address_is_local(&address));
}

// What a word becomes is one JSON value.
static void check_word(const char *word) {
    fq_buf payload = {0};
    if (fq_submit_words_add(&payload, word) == 0) {
        fq_str text = fq_buf_str(&payload);
        json_t *value = json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        FQ_ASSERT(value != NULL || text.len > 18); // numbers that jansson cannot hold stay as they are
        json_decref(value);
    }
    fq_buf_done(&payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct lines lines;
    lines_init(&lines, data + 1, size - 1);
    parse((enum fq_verb)(data[0] % FQ_VERB_COUNT), &lines);
    for (size_t i = 0; i < lines.count && i < 4; i++) {
        check_address(lines.at[i]);
        check_word(lines.at[i]);
    }
    lines_done(&lines);
    return 0;
}
