// SPDX-License-Identifier: Apache-2.0
// What several actions of `fastqueue journal` print: the content of a journal, gaps in it, task ids.
#include "cli/journal.h"
#include "cli/output.h"

#include <inttypes.h>
#include <stdio.h>

static const enum fq_task_state STATES[] = {FQ_TASK_SCHEDULED, FQ_TASK_PENDING, FQ_TASK_STARTED,
                                            FQ_TASK_SUCCESS,   FQ_TASK_FAILURE, FQ_TASK_CANCELLED,
                                            FQ_TASK_EXPIRED};
enum { STATE_COUNT = sizeof STATES / sizeof STATES[0] };

static json_t *number(uint64_t value) {
    return json_integer((json_int_t)value);
}

void fq_journal_print_ids(const char *heading, const struct fq_task_ids *ids) {
    if (ids->count == 0)
        return;
    printf("%s: %zu\n", heading, ids->count);
    for (size_t i = 0; i < ids->count && i < FQ_JOURNAL_IDS_SHOWN; i++) {
        char text[FQ_UUID_TEXT];
        fq_uuid_format(&ids->ids[i], text);
        printf("  %.*s\n", FQ_UUID_TEXT, text);
    }
    if (ids->count > FQ_JOURNAL_IDS_SHOWN)
        printf("  … (--json has them all)\n");
}

json_t *fq_journal_json_ids(const struct fq_task_ids *ids) {
    json_t *array = json_array();
    for (size_t i = 0; i < ids->count; i++) {
        char text[FQ_UUID_TEXT];
        fq_uuid_format(&ids->ids[i], text);
        json_array_append_new(array, json_stringn(text, FQ_UUID_TEXT));
    }
    return array;
}

void fq_journal_print_content(const struct fq_journal_check *check) {
    char instance[FQ_UUID_TEXT], first[FQ_OUTPUT_TIME_SIZE], last[FQ_OUTPUT_TIME_SIZE];
    fq_uuid_format(&check->instance, instance);
    fq_output_moment(check->replica.first_at_us / 1000, first);
    fq_output_moment(check->replica.last_at_us / 1000, last);
    printf("journal   %.*s, boot %" PRIu32 "\n", FQ_UUID_TEXT, instance, check->boot_epoch);
    if (check->snapshot_batch != 0)
        printf("snapshot  batch %" PRIu64 ", %" PRIu64 " records for the log until record %" PRIu64 "\n",
               check->snapshot_batch, check->snapshot_records, check->snapshot_record);
    printf("log       until batch %" PRIu64 ", record %" PRIu64 "\n", check->last_batch, check->last_record);
    printf("events    %" PRIu64 " read, from %s until %s\n", check->replica.record_count, first, last);
    printf("state     %016" PRIx64 ", %" PRIu64 " times compared with what the server had noted\n",
           check->state_hash, check->replica.event_count[FQ_EVENT_HASH_CHECK]);
    fputs("tasks    ", stdout);
    for (size_t i = 0; i < STATE_COUNT; i++)
        printf(" %s %" PRIu64 "%s", fq_task_state_name(STATES[i]), check->stats.state_count[STATES[i]],
               i + 1 < STATE_COUNT ? "," : "\n");
}

json_t *fq_journal_json_content(const struct fq_journal_check *check) {
    char instance[FQ_UUID_TEXT], hash[17];
    fq_uuid_format(&check->instance, instance);
    snprintf(hash, sizeof hash, "%016" PRIx64, check->state_hash);
    json_t *object = json_object(), *tasks = json_object(), *events = json_object();
    json_object_set_new(object, "instance", json_stringn(instance, FQ_UUID_TEXT));
    json_object_set_new(object, "boot_epoch", number(check->boot_epoch));
    json_object_set_new(object, "snapshot_batch", number(check->snapshot_batch));
    json_object_set_new(object, "snapshot_record", number(check->snapshot_record));
    json_object_set_new(object, "snapshot_records", number(check->snapshot_records));
    json_object_set_new(object, "last_batch", number(check->last_batch));
    json_object_set_new(object, "last_record", number(check->last_record));
    json_object_set_new(object, "events_read", number(check->replica.record_count));
    json_object_set_new(object, "first_at_us", json_integer(check->replica.first_at_us));
    json_object_set_new(object, "last_at_us", json_integer(check->replica.last_at_us));
    json_object_set_new(object, "state_hash", json_string(hash));
    json_object_set_new(object, "previous_snapshot_used", json_boolean(check->previous_snapshot_used));
    for (size_t i = 0; i < STATE_COUNT; i++)
        json_object_set_new(tasks, fq_task_state_name(STATES[i]),
                            number(check->stats.state_count[STATES[i]]));
    json_object_set_new(object, "tasks", tasks);
    for (int type = 1; type < FQ_EVENT_DURABLE_COUNT; type++)
        if (check->replica.event_count[type] > 0)
            json_object_set_new(events, fq_event_type_name((enum fq_event_type)type),
                                number(check->replica.event_count[type]));
    json_object_set_new(object, "events", events);
    return object;
}

void fq_journal_print_gaps(const struct fq_journal_check *check) {
    for (size_t i = 0; i < check->gap_count; i++) {
        const struct fq_check_gap *gap = &check->gaps[i];
        printf("gap       %s: offset %" PRIu64 " to %" PRIu64 ": %s", gap->file, gap->offset, gap->end,
               gap->what);
        if (gap->last_batch != 0)
            printf("; batches %" PRIu64 " to %" PRIu64, gap->first_batch, gap->last_batch);
        if (gap->last_record != 0)
            printf(", records %" PRIu64 " to %" PRIu64, gap->first_record, gap->last_record);
        putchar('\n');
    }
}

json_t *fq_journal_json_gaps(const struct fq_journal_check *check) {
    json_t *array = json_array();
    for (size_t i = 0; i < check->gap_count; i++) {
        const struct fq_check_gap *gap = &check->gaps[i];
        json_t *object = json_object();
        json_object_set_new(object, "file", json_string(gap->file));
        json_object_set_new(object, "offset", number(gap->offset));
        json_object_set_new(object, "end", number(gap->end));
        json_object_set_new(object, "what", json_string(gap->what));
        json_object_set_new(object, "first_batch", number(gap->first_batch));
        json_object_set_new(object, "last_batch", number(gap->last_batch));
        json_object_set_new(object, "first_record", number(gap->first_record));
        json_object_set_new(object, "last_record", number(gap->last_record));
        json_array_append_new(array, object);
    }
    return array;
}
