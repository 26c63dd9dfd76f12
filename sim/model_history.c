// SPDX-License-Identifier: Apache-2.0
// The past: of each task the last events, of the whole what leads back to an earlier record.
#include "sim/model_state.h"

#include <stdlib.h>

void model_remember(sim_model *model, struct model_task *task, enum fq_event_type type) {
    if (model->undo_next - model->undo_first == model->undo_room) {
        uint64_t room = model->undo_room == 0 ? 4096 : model->undo_room * 2;
        struct undo *undos = calloc(room, sizeof *undos);
        if (undos == NULL)
            abort();
        for (uint64_t i = model->undo_first; i != model->undo_next; i++)
            undos[i & (room - 1)] = model->undos[i & (model->undo_room - 1)];
        free(model->undos);
        model->undos = undos;
        model->undo_room = room;
    }
    struct undo *undo = &model->undos[model->undo_next++ & (model->undo_room - 1)];
    undo->seq = model->seq;
    undo->order = model->order;
    undo->token = model->token;
    undo->paused = model->paused;
    undo->all_paused = model->all_paused;
    undo->task = task;
    undo->type = (uint8_t)type;
    undo->crash_counted = false;
    if (task != NULL)
        undo->body = task->body;
}

void model_past_add(sim_model *model, struct model_task *task, enum fq_event_type type, uint64_t token) {
    struct moment *moment = &task->past[task->past_next];
    task->past_next = (uint8_t)((task->past_next + 1) % MODEL_HISTORY);
    if (task->past_kept == MODEL_HISTORY)
        task->past_lost = true;
    else
        task->past_kept++;
    *moment =
        (struct moment){.number = model->moment,
                        .seq = model->seq,
                        .token = token,
                        .attempt = (uint16_t)task->body.attempt,
                        .type = (uint8_t)type,
                        .state = task->body.state == MODEL_GONE ? task->body.final_state : task->body.state,
                        .cancelling = task->body.cancelling};
}

// Event `back` steps ago, 0 = the last one; NULL before the first or when forgotten.
static struct moment *past(struct model_task *task, unsigned back) {
    if (back >= task->past_kept)
        return NULL;
    return &task->past[(task->past_next + (unsigned)MODEL_HISTORY - 1 - back) % MODEL_HISTORY];
}

struct moment *model_past_find(struct model_task *task, uint64_t types, uint64_t token, bool *ret_lost) {
    *ret_lost = task->past_lost;
    struct moment *moment;
    for (unsigned back = 0; (moment = past(task, back)) != NULL; back++) {
        if ((types >> moment->type & 1) != 0 && (token == 0 || moment->token == token))
            return moment;
    }
    return NULL;
}

struct moment *model_past_first(struct model_task *task, uint64_t types, uint64_t since) {
    struct moment *moment, *first = NULL;
    for (unsigned back = 0; (moment = past(task, back)) != NULL && moment->number > since; back++) {
        if ((types >> moment->type & 1) != 0)
            first = moment;
    }
    return first;
}

bool model_was(struct model_task *task, unsigned state, uint64_t since, const struct moment **ret_moment) {
    const struct moment *moment, *first = NULL;
    unsigned back = 0;
    for (; (moment = past(task, back)) != NULL; back++) {
        if (moment->state == state)
            first = moment; // an answer rests on the first moment at which it could have been given
        if (moment->number <= since) { // it stood so when the question was asked, and no longer before
            if (first != NULL)
                *ret_moment = first;
            return first != NULL;
        }
    }
    *ret_moment = task->past_lost ? NULL : first; // it may rest on a moment that is forgotten
    return first != NULL || task->past_lost || state == MODEL_NONE;
}

unsigned model_most_attempts(struct model_task *task) {
    unsigned most = task->body.attempt;
    const struct moment *moment;
    for (unsigned back = 0; (moment = past(task, back)) != NULL; back++)
        most = moment->attempt > most ? moment->attempt : most;
    return most;
}

void model_undo_trim(sim_model *model, uint64_t seq) {
    while (model->undo_first != model->undo_next &&
           model->undos[model->undo_first & (model->undo_room - 1)].seq <= seq)
        model->undo_first++;
}

static void drop_past(struct model_task *task) {
    if (task->past_kept == 0)
        return;
    task->past_kept--;
    task->past_next = (uint8_t)((task->past_next + MODEL_HISTORY - 1) % MODEL_HISTORY);
}

bool model_roll_back(sim_model *model, uint64_t seq) {
    while (model->undo_next != model->undo_first) {
        const struct undo *undo = &model->undos[(model->undo_next - 1) & (model->undo_room - 1)];
        if (undo->seq <= seq)
            break;
        model->undo_next--;
        model->totals[undo->type]--;
        model->crashed_total -= undo->crash_counted;
        model->order = undo->order;
        model->paused = undo->paused;
        model->all_paused = undo->all_paused;
        if (undo->task != NULL) {
            model_task_unplace(model, undo->task);
            undo->task->body = undo->body;
            drop_past(undo->task);
            model_task_place(model, undo->task);
        }
        model->seq = undo->seq - 1;
    }
    // Tokens stay used up: a later boot's are above them anyhow.
    return model->seq <= seq;
}
