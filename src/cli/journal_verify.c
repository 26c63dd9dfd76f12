// SPDX-License-Identifier: Apache-2.0
// `fastqueue journal verify` and `repair`.
#include "cli/journal.h"
#include "cli/output.h"
#include "server/journal_repair.h"

#include <inttypes.h>
#include <stdio.h>

// ---- verify ----

static const char *verdict_of(const struct fq_journal_check *check) {
    if (check->result < 0)
        return "damaged";
    if (check->is_ambiguous)
        return "ambiguous";
    return check->is_torn ? "torn" : "sound";
}

static void print_tail(const struct fq_journal_check *check) {
    if (check->is_torn)
        printf("tail      %s: offset %" PRIu64 ": batch %" PRIu64 " (from record %" PRIu64
               " on) was being written%s; the next start cuts it off\n",
               check->cut_file, check->cut_offset, check->cut_batch, check->cut_record,
               check->is_owned ? ", as a running control plane does" : " when a crash came");
    if (check->is_ambiguous)
        puts("flag      a last batch was cut off, or will be, that may have been acknowledged: by a crash, "
             "or the "
             "medium lost it");
    if (check->previous_snapshot_used)
        puts("snapshot  the newest one is damaged; the one before it and the log behind it are whole");
}

static void print_check(const struct fq_journal_check *check, const char *data_dir) {
    printf("%s: %s%s%s\n", data_dir, verdict_of(check), check->is_owned ? ", in use by " : "",
           check->is_owned ? check->owner : "");
    if (check->result < 0)
        printf("damage    %s\n", check->error);
    fq_journal_print_content(check);
    print_tail(check);
    if (check->has_backup_list && check->result == 0)
        puts("backup    every file is as it was backed up");
    fq_journal_print_gaps(check);
    if (check->readable_behind > 0)
        printf("behind    %" PRIu64 " records behind the damage can be read (journal dump --damaged)\n",
               check->readable_behind);
    fq_journal_print_ids("tasks affected", &check->affected);
}

static void print_check_json(const struct fq_journal_check *check, const char *data_dir) {
    json_t *object = fq_journal_json_content(check);
    json_object_set_new(object, "data_dir", json_string(data_dir));
    json_object_set_new(object, "verdict", json_string(verdict_of(check)));
    json_object_set_new(object, "in_use", json_boolean(check->is_owned));
    if (check->result < 0)
        json_object_set_new(object, "error",
                            fq_output_json_text((fq_slice){check->error, strlen(check->error)}));
    if (check->is_torn) {
        json_object_set_new(object, "tail_file", json_string(check->cut_file));
        json_object_set_new(object, "tail_offset", json_integer((json_int_t)check->cut_offset));
        json_object_set_new(object, "tail_batch", json_integer((json_int_t)check->cut_batch));
        json_object_set_new(object, "tail_record", json_integer((json_int_t)check->cut_record));
    }
    json_object_set_new(object, "backup_list", json_boolean(check->has_backup_list));
    json_object_set_new(object, "gaps", fq_journal_json_gaps(check));
    json_object_set_new(object, "readable_behind", json_integer((json_int_t)check->readable_behind));
    json_object_set_new(object, "affected", fq_journal_json_ids(&check->affected));
    fq_output_json_line(object);
}

int fq_journal_action_verify(const struct fq_journal_action *action) {
    struct fq_journal_check check;
    uint64_t until = (uint64_t)fq_option_number(action->cli->options, FQ_OPTION_JOURNAL_UNTIL);
    int result = fq_journal_check(action->data_dir, until, &check), code = FQ_EXIT_OK;
    if (result < 0) {
        code = fq_journal_action_fail(action, result, check.error);
    } else {
        if (action->as_json)
            print_check_json(&check, action->data_dir);
        else
            print_check(&check, action->data_dir);
        if (check.result < 0)
            code = fq_journal_action_fail(action, check.result, check.error);
    }
    fq_journal_check_done(&check);
    return code;
}

// ---- repair ----

static void print_plan(const struct fq_journal_repair *repair) {
    printf("damage    %s\n", repair->before.error);
    fq_journal_print_gaps(&repair->before);
    if (repair->manifest_lost)
        puts("MANIFEST  is made anew from the other files; whether later segments are missing nobody can "
             "know then");
    printf("kept      until batch %" PRIu64 ", record %" PRIu64 "%s\n", repair->last_batch,
           repair->last_record, repair->loses ? "" : ": everything");
    if (repair->records_behind > 0)
        printf("lost      %" PRIu64 " readable records behind that, and what cannot be read\n",
               repair->records_behind);
    fq_journal_print_ids("tasks lost", &repair->lost);
    fq_journal_print_ids("tasks set back to how they stood there", &repair->set_back);
}

static void print_plan_json(const struct fq_journal_repair *repair, bool is_done) {
    json_t *object = json_object();
    json_object_set_new(object, "needed", json_boolean(repair->is_needed));
    json_object_set_new(object, "done", json_boolean(is_done));
    json_object_set_new(object, "loses", json_boolean(repair->loses));
    json_object_set_new(object, "error",
                        fq_output_json_text((fq_slice){repair->before.error, strlen(repair->before.error)}));
    json_object_set_new(object, "manifest_lost", json_boolean(repair->manifest_lost));
    json_object_set_new(object, "last_batch", json_integer((json_int_t)repair->last_batch));
    json_object_set_new(object, "last_record", json_integer((json_int_t)repair->last_record));
    json_object_set_new(object, "records_behind", json_integer((json_int_t)repair->records_behind));
    json_object_set_new(object, "files_moved", json_integer((json_int_t)repair->files_moved));
    json_object_set_new(object, "gaps", fq_journal_json_gaps(&repair->before));
    json_object_set_new(object, "lost", fq_journal_json_ids(&repair->lost));
    json_object_set_new(object, "set_back", fq_journal_json_ids(&repair->set_back));
    fq_output_json_line(object);
}

static int verify_repaired(const struct fq_journal_action *action) {
    struct fq_journal_check after;
    int result = fq_journal_check(action->data_dir, 0, &after);
    if (result == 0)
        result = after.result;
    int code = result < 0 ? fq_journal_action_fail(action, result, after.error) : FQ_EXIT_OK;
    fq_journal_check_done(&after);
    return code;
}

static int repair_it(const struct fq_journal_action *action, struct fq_journal_repair *repair) {
    const struct fq_options *options = action->cli->options;
    bool accepts_loss = fq_option_number(options, FQ_OPTION_JOURNAL_ACCEPT_LOSS) != 0;
    bool applies = accepts_loss || fq_option_number(options, FQ_OPTION_JOURNAL_APPLY) != 0;
    bool does = repair->is_needed && applies && (accepts_loss || !repair->loses);
    if (does) {
        int result = fq_journal_repair_apply(repair);
        if (result < 0)
            return fq_journal_action_fail(action, result, repair->error);
    }
    if (action->as_json)
        print_plan_json(repair, does);
    else if (repair->is_needed)
        print_plan(repair);
    if (!repair->is_needed) {
        if (!action->as_json)
            printf("%s: nothing to repair, a start %s\n", action->data_dir,
                   repair->before.is_torn ? "cuts off the torn tail by itself" : "will take it as it is");
        return FQ_EXIT_OK;
    }
    if (does) {
        if (!action->as_json)
            printf("repaired  %" PRIu64 " files moved to quarantine/\n", repair->files_moved);
        return verify_repaired(action);
    }
    if (!action->as_json)
        printf("nothing was changed: copy the directory, then run this with %s\n",
               repair->loses ? "--accept-loss" : "--apply");
    return FQ_EXIT_DATA;
}

int fq_journal_action_repair(const struct fq_journal_action *action) {
    struct fq_journal_repair repair;
    int result = fq_journal_repair_plan(action->data_dir, &repair);
    int code = result < 0 ? fq_journal_action_fail(action, result, repair.error) : repair_it(action, &repair);
    fq_journal_repair_done(&repair);
    return code;
}
