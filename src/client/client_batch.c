// SPDX-License-Identifier: Apache-2.0
// Many submissions in one call: a window of them is unanswered at any time, those refused for now are tried again.
#include "client/client_shards.h"
#include "client/client_state.h"

#include "net/clock.h"

#include <stdlib.h>

enum { WINDOW = 4096 };
enum item_state { ITEM_NEW, ITEM_ASKED, ITEM_REFUSED, ITEM_DONE };

struct batch {
    const struct fq_client_task *tasks;
    size_t count;
    char (*ids)[37];
    unsigned char *states; // enum item_state, one a task
    struct fq_submission *submissions;
    struct fq_submission_context context; // of the one that is being queued
    size_t next;                          // first that was never queued
    size_t asked, done;                   // how many are in that state
    size_t refused, first_refused;
    uint32_t refusals; // in a row
};

static fq_slice name_of(const struct batch *batch, size_t index) {
    return (fq_slice){batch->tasks[index].name, strlen(batch->tasks[index].name)};
}

static void end_submission(fq_client *client, struct batch *batch, size_t index, int error) {
    fq_submission_end(&client->telemetry, &batch->submissions[index], name_of(batch, index),
                      fq_target_address(&client->target), batch->ids[index], error);
}

static int queue_one(fq_client *client, struct fq_client_errand *errand, size_t index) {
    struct batch *batch = errand->context;
    const struct fq_client_task *task = &batch->tasks[index];
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    if (task->options != NULL)
        memcpy(&options, task->options,
               task->options->size < sizeof options ? task->options->size : sizeof options);
    options.want_result = false;
    if (batch->states[index] == ITEM_REFUSED)
        options.id = batch->ids[index];
    fq_slice name = name_of(batch, index);
    if (batch->submissions[index].began_us == 0) // else it is asked again
        fq_submission_begin(&client->telemetry, &batch->submissions[index], name, &options,
                            fq_target_address(&client->target));
    fq_submission_inject(&batch->submissions[index], &batch->context, &options);
    fq_slice payload = {task->payload, task->payload_len};
    int rc =
        fq_session_submit(client->session, name, payload, &options, errand->tag + index, batch->ids[index]);
    if (rc < 0)
        return rc;
    batch->states[index] = ITEM_ASKED;
    batch->asked++;
    return 0;
}

// 0, also when the session holds all it may: answers make room.
static int fill_window(fq_client *client, struct fq_client_errand *errand) {
    struct batch *batch = errand->context;
    while (batch->next < batch->count && batch->asked < WINDOW) {
        int rc = queue_one(client, errand, batch->next);
        if (rc == FQ_EFULL && batch->asked > 0)
            return 0;
        if (rc < 0)
            return fq_client_fail_session(client, rc);
        batch->next++;
    }
    return 0;
}

static int queue_refused(fq_client *client, struct fq_client_errand *errand) {
    struct batch *batch = errand->context;
    errand->wake_us = FQ_NEVER_US;
    for (size_t i = batch->first_refused; batch->refused > 0 && i < batch->next; i++) {
        if (batch->states[i] != ITEM_REFUSED)
            continue;
        batch->first_refused = i;
        int rc = queue_one(client, errand, i);
        if (rc == FQ_EFULL && batch->asked > 0) {
            errand->wake_us = fq_time_add(fq_clock_now().boot_us, fq_client_pause_us(client, 0));
            return 0;
        }
        if (rc < 0)
            return fq_client_fail_session(client, rc);
        batch->refused--;
    }
    batch->first_refused = batch->next;
    return 0;
}

static void note_refusal(fq_client *client, struct fq_client_errand *errand, size_t index, int error) {
    struct batch *batch = errand->context;
    errand->refusal = error;
    batch->states[index] = ITEM_REFUSED;
    batch->refused++;
    if (index < batch->first_refused)
        batch->first_refused = index;
    if (errand->wake_us == FQ_NEVER_US)
        errand->wake_us = fq_time_add(fq_clock_now().boot_us, fq_client_pause_us(client, batch->refusals++));
}

static int on_batch_event(fq_client *client, struct fq_client_errand *errand,
                          const struct fq_session_event *event) {
    struct batch *batch = errand->context;
    uint64_t index = event->tag - errand->tag;
    if (event->type != FQ_SESSION_SUBMITTED || index >= batch->count || batch->states[index] != ITEM_ASKED)
        return 0;
    batch->asked--;
    if (event->error < 0) {
        batch->states[index] = ITEM_NEW;
        (void)fq_client_fail(client, event->error, event->message);
        if (!fq_error_info(event->error)->retryable)
            return event->error;
        note_refusal(client, errand, index, event->error);
        return 0;
    }
    batch->states[index] = ITEM_DONE;
    memcpy(batch->ids[index], event->id, sizeof event->id);
    end_submission(client, batch, index, 0);
    batch->done++;
    batch->refusals = 0;
    errand->refusal = 0;
    errand->deadline_us = fq_time_add(fq_clock_now().boot_us, client->timeout_us);
    if (batch->done == batch->count)
        return 1;
    return batch->asked <= WINDOW / 2 ? fill_window(client, errand) : 0;
}

static int run_batch(fq_client *client, struct batch *batch) {
    struct fq_client_errand errand = fq_client_errand_begin(client);
    client->next_tag += batch->count;
    errand.on_event = on_batch_event;
    errand.on_wake = queue_refused;
    errand.context = batch;
    int rc = fill_window(client, &errand);
    if (rc == 0)
        rc = fq_client_drive(client, &errand);
    for (size_t i = 0; rc < 0 && i < batch->count; i++) {
        if (batch->states[i] == ITEM_ASKED)
            fq_session_forget(client->session, errand.tag + i);
        end_submission(client, batch, i, rc);
        if (batch->states[i] != ITEM_DONE)
            batch->ids[i][0] = '\0';
    }
    return rc < 0 ? rc : 0;
}

int fq_client_submit_many(fq_client *client, const struct fq_client_task *tasks, size_t count,
                          char (*ret_ids)[37]) {
    if (count == 0)
        return 0;
    if (client->shards != NULL)
        return fq_client_shards_submit_many(client, tasks, count, ret_ids);
    struct batch batch = {.tasks = tasks, .count = count, .ids = ret_ids};
    char(*own_ids)[37] = ret_ids == NULL ? calloc(count, sizeof *own_ids) : NULL;
    if (ret_ids == NULL)
        batch.ids = own_ids;
    batch.states = calloc(count, 1);
    batch.submissions = calloc(count, sizeof *batch.submissions);
    int rc = FQ_ENOMEM;
    if (batch.ids != NULL && batch.states != NULL && batch.submissions != NULL)
        rc = run_batch(client, &batch);
    else
        (void)fq_client_fail_text(client, rc, fq_strerror(rc));
    free(batch.submissions);
    free(batch.states);
    free(own_ids);
    return rc;
}
