// SPDX-License-Identifier: Apache-2.0
// `fastqueue shards`: the map of a queue's shards, and its changes.
#include "cli/connection.h"
#include "cli/output.h"
#include "cli/row.h"
#include "server/shard_change.h"

#include <stdio.h>
#include <string.h>

static void add_shard(const struct fq_value *values, uint32_t at, struct fq_text_table *table) {
    fq_text_table_add(table, "%lld", (long long)fq_row_number(values, at, "shard"));
    fq_text_table_add_slice(table, fq_row_text(values, at, "state"));
    fq_text_table_add(table, "%lld", (long long)fq_row_number(values, at, "since"));
    fq_text_table_add_slice(table, fq_row_text(values, at, "addresses"));
}

static void print_shards(const struct fq_value *values) {
    struct fq_text_table table;
    fq_text_table_init(&table, ">SHARD", "STATE", ">SINCE", "ADDRESSES", NULL);
    uint32_t shards = fq_row_index(values, 0, "shards");
    uint32_t at = shards + 1;
    for (uint32_t i = 0; i < values[shards].child_count; i++, at = values[at].next)
        add_shard(values, at, &table);
    fq_text_table_print(&table, stdout, "This queue has no shards: one control plane takes everything.");
}

static int list(const struct fq_options *options) {
    fq_client *client;
    int code = fq_connection_open(options, &client);
    if (code != 0)
        return code;
    struct fq_args args = {.count = 0};
    const struct fq_value *values;
    fq_args_add(&args, "FQ.SHARDS");
    code = fq_connection_ask(client, &args, &values);
    if (code == 0 && fq_option_number(options, FQ_OPTION_JSON))
        fq_output_json_line(fq_output_json(values, 0));
    else if (code == 0)
        print_shards(values);
    fq_client_close(client);
    return code;
}

static const struct {
    const char *word, *done;
    enum fq_shard_change change;
} changes[] = {
    {"add",    "takes its part of the new tasks",                                         FQ_SHARD_ADD   },
    {"retire", "takes no new tasks; what it has is worked off there",                     FQ_SHARD_RETIRE},
    {"remove", "is forgotten; nobody asks it any more for the tasks that it still knows", FQ_SHARD_REMOVE},
};

static int change(const struct fq_options *options, size_t which, const char *text) {
    const struct fq_shard_place place = {fq_option_text(options, FQ_OPTION_JOURNAL_URL),
                                         fq_option_text(options, FQ_OPTION_JOURNAL_CREDENTIALS),
                                         fq_option_text(options, FQ_OPTION_JOURNAL_CA)};
    uint64_t number;
    if (text == NULL || fq_str_to_uint64(fq_str_of(text), &number) < 0 || number >= FQ_SHARDS_MAX) {
        fprintf(stderr, "fastqueue shards %s: give the shard's number, 0 to %d\n", changes[which].word,
                FQ_SHARDS_MAX - 1);
        return FQ_EXIT_USAGE;
    }
    if (place.url == NULL) {
        fprintf(stderr, "fastqueue shards %s: give --journal, as the control planes have it\n",
                changes[which].word);
        return FQ_EXIT_USAGE;
    }
    struct fq_shard_map map = {0};
    char error[FQ_STREAM_ERROR_MAX] = "";
    int result = fq_shard_change(&place, changes[which].change, (uint32_t)number, &map, error);
    if (result < 0) {
        fprintf(stderr, "fastqueue shards: %s\n", error[0] != '\0' ? error : fq_strerror(result));
        return result == FQ_EINVALID ? FQ_EXIT_FAILED : fq_connection_exit_code(result);
    }
    if (fq_option_number(options, FQ_OPTION_JSON))
        fq_output_json_line(json_pack("{s:I, s:s, s:I}", "shard", (json_int_t)number, "change",
                                      changes[which].word, "version", (json_int_t)map.version));
    else
        printf("shard %u %s (version %u of the map)\n", (unsigned)number, changes[which].done,
               (unsigned)map.version);
    fq_shard_map_done(&map);
    return FQ_EXIT_OK;
}

int fq_verb_shards(struct fq_cli *cli) {
    const struct fq_options *options = cli->options;
    const char *action = options->operand_count > 0 ? options->operands[0] : "list";
    const char *number = options->operand_count > 1 ? options->operands[1] : NULL;
    if (strcmp(action, "list") == 0 && number == NULL)
        return list(options);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (strcmp(action, changes[i].word) == 0)
            return change(options, i, number);
    }
    fprintf(stderr, "fastqueue shards: unknown action '%s'; there are: list, add N, retire N, remove N\n",
            action);
    return FQ_EXIT_USAGE;
}
