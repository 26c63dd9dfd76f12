// SPDX-License-Identifier: Apache-2.0
// `fastqueue journal backup`, `restore` and `copy`.
#include "server/journal_copy.h"

#include "cli/journal.h"
#include "cli/output.h"

#include <inttypes.h>
#include <stdio.h>

// ---- backup ----

static void print_backup(const struct fq_journal_action *action, const struct fq_journal_backup *backup) {
    const struct fq_backup_report *report = &backup->report;
    if (action->as_json) {
        json_t *object = fq_journal_json_content(&backup->check);
        json_object_set_new(object, "directory", json_string(action->operand));
        json_object_set_new(object, "files", json_integer((json_int_t)report->files));
        json_object_set_new(object, "linked_files", json_integer((json_int_t)report->linked_files));
        json_object_set_new(object, "bytes", json_integer((json_int_t)report->bytes));
        fq_output_json_line(object);
        return;
    }
    printf("%s: %" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64
           " of them linked; read back and found whole\n",
           action->operand, report->files, report->bytes, report->linked_files);
    fq_journal_print_content(&backup->check);
}

int fq_journal_action_backup(const struct fq_journal_action *action) {
    struct fq_journal_backup backup;
    bool may_link = fq_option_number(action->cli->options, FQ_OPTION_JOURNAL_COPY) == 0;
    int result = fq_journal_backup(action->data_dir, action->operand, may_link, &backup), code = FQ_EXIT_OK;
    if (result < 0)
        code = fq_journal_action_fail(action, result, backup.error);
    else
        print_backup(action, &backup);
    fq_journal_backup_done(&backup);
    return code;
}

// ---- restore ----

static void print_report(const struct fq_journal_restore *restore) {
    const struct fq_journal_check *check = &restore->check;
    char last[FQ_OUTPUT_TIME_SIZE];
    fq_output_moment(check->replica.last_at_us / 1000, last);
    fq_journal_print_content(check);
    printf("report    what was acknowledged after %s is not in the backup\n", last);
    printf("report    %" PRIu64 " tasks were with a worker: their leases are void, they run again\n",
           restore->released);
    printf("report    %" PRIu64 " tasks wait and will run, also those that have run since the backup\n",
           check->stats.state_count[FQ_TASK_PENDING] + check->stats.state_count[FQ_TASK_SCHEDULED]);
}

static void print_restore(const struct fq_journal_action *action, const struct fq_journal_restore *restore) {
    char instance[FQ_UUID_TEXT];
    fq_uuid_format(&restore->instance, instance);
    bool reports = fq_option_number(action->cli->options, FQ_OPTION_JOURNAL_REPORT) != 0;
    if (action->as_json) {
        json_t *object = fq_journal_json_content(&restore->check);
        json_object_set_new(object, "data_dir", json_string(action->data_dir));
        json_object_set_new(object, "new_instance", json_stringn(instance, FQ_UUID_TEXT));
        json_object_set_new(object, "released", json_integer((json_int_t)restore->released));
        json_object_set_new(object, "new_boot_epoch", json_integer(restore->boot_epoch));
        fq_output_json_line(object);
        return;
    }
    printf("%s: restored as %.*s; no fencing token from before is good here\n", action->data_dir,
           FQ_UUID_TEXT, instance);
    if (reports)
        print_report(restore);
}

int fq_journal_action_restore(const struct fq_journal_action *action) {
    struct fq_journal_restore restore;
    uint64_t until = (uint64_t)fq_option_number(action->cli->options, FQ_OPTION_JOURNAL_UNTIL);
    int result = fq_journal_restore(action->operand, action->data_dir, until, &restore), code = FQ_EXIT_OK;
    if (result < 0)
        code = fq_journal_action_fail(action, result, restore.error);
    else
        print_restore(action, &restore);
    fq_journal_restore_done(&restore);
    return code;
}

// ---- copy ----

static struct fq_journal_place place_of(const struct fq_options *options, const char *path) {
    return (struct fq_journal_place){.path = path,
                                     .is_stream = fq_journal_is_stream(path),
                                     .credentials = fq_option_text(options, FQ_OPTION_JOURNAL_CREDENTIALS),
                                     .ca = fq_option_text(options, FQ_OPTION_JOURNAL_CA)};
}

static void print_copy(const struct fq_journal_action *action, const char *source,
                       const struct fq_journal_restore *copy) {
    if (action->as_json) {
        json_t *object = fq_journal_json_content(&copy->check);
        json_object_set_new(object, "source", json_string(source));
        json_object_set_new(object, "target", json_string(action->operand));
        fq_output_json_line(object);
        return;
    }
    printf("%s: holds all of %s, read back and found whole; start a control plane on one of the two only\n",
           action->operand, source);
    fq_journal_print_content(&copy->check);
}

int fq_journal_action_copy(const struct fq_journal_action *action) {
    const struct fq_options *options = action->cli->options;
    const char *url = fq_option_text(options, FQ_OPTION_JOURNAL_URL);
    struct fq_journal_place source = place_of(options, url != NULL ? url : action->data_dir),
                            target = place_of(options, action->operand);
    struct fq_journal_restore copy;
    int result = fq_journal_copy(&source, &target, &copy), code = FQ_EXIT_OK;
    if (result < 0)
        code = fq_journal_action_fail(action, result, copy.error);
    else
        print_copy(action, source.path, &copy);
    fq_journal_restore_done(&copy);
    return code;
}
