// SPDX-License-Identifier: Apache-2.0
// A seeded random walk against a naive model: the model believes no event that the rules do not allow, finds out what the
// engine should have done and did not, and knows by looking at every task which one a fetch must get.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "support/engine_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS_MAX = 60000, NAMES = 7, WORKERS = 4, STEPS = 60000 };

static const char *const name_texts[NAMES] = {"a", "b.c", "mail", "x", "resize", "report", "z9"};
static const char *const worker_ids[WORKERS] = {"w0", "w1", "w2", "w3"};

struct model_task {
    enum fq_task_state state;
    bool gone; // only its id is remembered
    int name, priority;
    uint64_t order, token, old_token;
    int64_t due_boot, due_wall; // 0 = none
    int64_t expires_wall;       // 0 = none
    int64_t lease_until, finished_boot;
    bool running, cancelling;
    uint32_t attempt, crashes, losses, retries;
    char unique[8];
};

struct model {
    struct engine_rig rig;
    fq_random random;
    struct model_task *tasks;
    size_t count;
    uint64_t order, token;
    bool paused[NAMES], all_paused;
    uint32_t registered[WORKERS]; // bits of names, 0 = not registered
    // What the command at work may lead to.
    uint32_t offered; // FETCH: bits of names
    bool by_time, by_vanishing;
    int64_t retry_base_ms;
};

static uint64_t below(struct model *model, uint64_t bound) {
    return fq_random_below(&model->random, bound);
}

static size_t index_of(const struct model *model, const fq_uuid *id) {
    uint64_t number;
    memcpy(&number, id->bytes, sizeof number);
    assert_true(number >= 1 && number <= model->count);
    return (size_t)number - 1;
}

static bool is_expired(const struct model *model, const struct model_task *task) {
    return task->expires_wall != 0 && task->expires_wall <= model->rig.now.wall_us;
}

// The task that must come next, by looking at all.
static size_t best(const struct model *model, uint32_t offered) {
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < model->count; i++) {
        const struct model_task *task = &model->tasks[i];
        if (task->gone || task->state != FQ_TASK_PENDING || (offered >> task->name & 1) == 0 ||
            model->paused[task->name] || model->all_paused || is_expired(model, task))
            continue;
        if (found == SIZE_MAX || task->priority < model->tasks[found].priority ||
            (task->priority == model->tasks[found].priority && task->order < model->tasks[found].order))
            found = i;
    }
    return found;
}

static void to_pending(struct model *model, struct model_task *task, bool new_turn) {
    task->state = FQ_TASK_PENDING;
    task->old_token = task->token != 0 ? task->token : task->old_token;
    task->token = 0;
    task->running = false;
    task->due_boot = 0;
    task->due_wall = 0;
    if (new_turn)
        task->order = ++model->order;
}

static void to_final(struct model *model, struct model_task *task, enum fq_task_state state) {
    task->state = state;
    task->old_token = task->token != 0 ? task->token : task->old_token;
    task->token = 0;
    task->unique[0] = '\0';
    task->finished_boot = model->rig.now.boot_us;
}

static void on_granted(struct model *model, size_t index, const struct fq_task_view *view) {
    struct model_task *task = &model->tasks[index];
    assert_true(model->offered != 0);
    assert_int_equal(index, best(model, model->offered));
    assert_true(view->token > model->token);
    model->token = view->token;
    task->state = FQ_TASK_STARTED;
    task->token = view->token;
    task->attempt++;
    task->running = false;
    task->lease_until = model->rig.now.boot_us + model->rig.config.lease_ms * 1000;
}

static void on_lease_end(struct model *model, struct model_task *task, enum fq_event_type type,
                         const struct fq_task_view *view) {
    assert_int_equal(task->state, FQ_TASK_STARTED);
    if (model->by_time)
        assert_true(task->lease_until <= model->rig.now.boot_us);
    switch (type) {
    case FQ_EVENT_RETURNED:
        assert_false(task->cancelling);
        task->attempt--;
        if (model->by_time || model->by_vanishing) {
            assert_true(!task->running && task->losses < model->rig.config.loss_max);
            task->losses++;
        }
        assert_int_equal(view->losses, task->losses);
        to_pending(model, task, false);
        break;
    case FQ_EVENT_CRASHED:
        assert_false(task->cancelling);
        assert_true(task->running ||
                    ((model->by_time || model->by_vanishing) && task->losses == model->rig.config.loss_max));
        task->crashes++;
        to_pending(model, task, true);
        break;
    case FQ_EVENT_RETRIED: {
        uint32_t failures = task->attempt - task->crashes;
        int64_t base_ms = model->retry_base_ms << (failures - 1);
        int64_t delay_ms = (view->due_us - model->rig.now.wall_us) / 1000;
        assert_true(failures <= task->retries && !task->cancelling);
        if (view->due_us > model->rig.now.wall_us) // the wall clock may lag behind the last event
            assert_true(delay_ms * 10 <= base_ms * 12 + 10 || model->rig.now.wall_us < view->eligible_us);
        to_pending(model, task, false);
        task->state = FQ_TASK_SCHEDULED;
        task->due_boot = model->rig.now.boot_us + (view->due_us - view->eligible_us);
        break;
    }
    case FQ_EVENT_COMPLETED: to_final(model, task, FQ_TASK_SUCCESS); break;
    default:
        assert_false(task->cancelling);
        task->crashes = view->crashes;
        assert_true(task->crashes <= model->rig.config.crash_max);
        to_final(model, task, FQ_TASK_FAILURE);
        break;
    }
}

static void on_eligible(struct model *model, struct model_task *task) {
    assert_int_equal(task->state, FQ_TASK_SCHEDULED);
    assert_true(model->by_time && !is_expired(model, task));
    assert_true(task->due_boot != 0 ? task->due_boot <= model->rig.now.boot_us
                                    : task->due_wall <= model->rig.now.wall_us);
    to_pending(model, task, true);
}

static void on_task_event(struct model *model, const struct fq_event *event) {
    fq_uuid id = fq_event_task_id(event);
    enum fq_event_type type = fq_event_type_of(event);
    size_t index = index_of(model, &id);
    struct model_task *task = &model->tasks[index];
    struct fq_task_view view;
    assert_int_equal(fq_engine_task(model->rig.engine, &id, &view), 0);
    switch (type) {
    case FQ_EVENT_SUBMITTED: task->order = ++model->order; break;
    case FQ_EVENT_ELIGIBLE: on_eligible(model, task); break;
    case FQ_EVENT_GRANTED: on_granted(model, index, &view); break;
    case FQ_EVENT_STARTED: task->running = true; break;
    case FQ_EVENT_CANCEL_REQUESTED: task->cancelling = true; break;
    case FQ_EVENT_LEASE_EXTENDED:
        task->lease_until = model->rig.now.boot_us + model->rig.config.lease_ms * 1000;
        break;
    case FQ_EVENT_CANCELLED:
        assert_true(task->state != FQ_TASK_STARTED || task->cancelling);
        to_final(model, task, FQ_TASK_CANCELLED);
        break;
    case FQ_EVENT_EXPIRED:
        assert_true(is_expired(model, task) && task->state <= FQ_TASK_PENDING);
        to_final(model, task, FQ_TASK_EXPIRED);
        break;
    case FQ_EVENT_FORGOTTEN:
        assert_true(task->finished_boot + model->rig.config.default_result_ttl_ms * 1000 <=
                    model->rig.now.boot_us);
        task->gone = true;
        break;
    case FQ_EVENT_RESULT_EVICTED:
    case FQ_EVENT_PURGED: task->gone = true; break;
    case FQ_EVENT_REQUEUED:
        assert_int_equal(task->state, FQ_TASK_FAILURE);
        task->attempt = 0;
        task->crashes = 0;
        task->losses = 0;
        to_pending(model, task, true);
        break;
    default: on_lease_end(model, task, type, &view); break;
    }
    assert_int_equal(view.state, task->state);
    if (task->state == FQ_TASK_FAILURE && type == FQ_EVENT_FAILED)
        task->order = ++model->order;
}

static void observe(void *context, const struct fq_event *event) {
    fq_uuid none = {{0}};
    fq_uuid id = fq_event_task_id(event);
    if (!fq_uuid_equal(&id, &none))
        on_task_event(context, event);
}

// --- what time should have done --------------------------------------------------------------------------------------
static void nothing_is_late(const struct model *model) {
    for (size_t i = 0; i < model->count; i++) {
        const struct model_task *task = &model->tasks[i];
        if (task->gone)
            continue;
        if (task->state == FQ_TASK_SCHEDULED) {
            assert_true(task->due_boot == 0 || task->due_boot > model->rig.now.boot_us);
            assert_true(task->due_wall == 0 || task->due_wall > model->rig.now.wall_us);
        }
        if (task->state == FQ_TASK_STARTED)
            assert_true(task->lease_until > model->rig.now.boot_us);
        if (task->state <= FQ_TASK_PENDING)
            assert_false(is_expired(model, task));
    }
}

static void all_is_as_modelled(const struct model *model) {
    uint64_t counts[FQ_TASK_STATE_COUNT] = {0};
    for (size_t i = 0; i < model->count; i++) {
        const struct model_task *task = &model->tasks[i];
        fq_uuid id = engine_rig_id(i);
        struct fq_task_view view;
        assert_int_equal(fq_engine_task(model->rig.engine, &id, &view), 0);
        assert_int_equal(view.state, task->state);
        if (task->gone) {
            assert_int_equal(view.result_presence, FQ_RESULT_EVICTED);
            continue;
        }
        counts[task->state]++;
        assert_int_equal(view.attempt, task->attempt);
        assert_int_equal(view.crashes, task->crashes);
        assert_int_equal(view.losses, task->losses);
        assert_true(view.token == task->token);
    }
    struct fq_engine_stats stats;
    fq_engine_stats(model->rig.engine, model->rig.now, &stats);
    assert_memory_equal(counts, stats.state_count, sizeof counts);
    fq_engine_check(model->rig.engine);
}

// --- steps ------------------------------------------------------------------------------------------------------------
static bool holds_unique(const struct model *model, const char *key) {
    for (size_t i = 0; i < model->count; i++) {
        if (strcmp(model->tasks[i].unique, key) == 0)
            return true;
    }
    return false;
}

static void step_submit(struct model *model) {
    if (model->count == TASKS_MAX)
        return;
    struct model_task *task = &model->tasks[model->count];
    *task = (struct model_task){.name = (int)below(model, NAMES), .priority = (int)below(model, 4)};
    struct fq_command command = engine_rig_submit(model->count, name_texts[task->name]);
    struct fq_submit *submit = &command.submit;
    submit->priority = (enum fq_priority)task->priority;
    submit->retries = task->retries = (uint32_t)below(model, 3);
    submit->backoff_ms = model->retry_base_ms;
    uint64_t kind = below(model, 10);
    if (kind == 0)
        submit->delay_ms = 1 + (int64_t)below(model, 20000);
    if (kind == 1)
        submit->at_us = model->rig.now.wall_us + 1 + (int64_t)below(model, 20000000);
    if (below(model, 8) == 0)
        submit->expires_ms = 1 + (int64_t)below(model, 30000);
    if (below(model, 10) == 0) {
        snprintf(task->unique, sizeof task->unique, "k%d", (int)below(model, 20));
        submit->options.unique = fq_str_of(task->unique);
    }
    bool held = task->unique[0] != '\0' && holds_unique(model, task->unique);
    struct fq_task_view view;
    if (!held)
        model->count++;
    task->state = submit->delay_ms != 0 || submit->at_us != 0 ? FQ_TASK_SCHEDULED : FQ_TASK_PENDING;
    assert_int_equal(engine_rig_run(&model->rig, &command), 0);
    assert_int_equal(fq_decision_is_repeat(model->rig.decision), held);
    if (held)
        return;
    assert_int_equal(fq_engine_task(model->rig.engine, &command.submit.id, &view), 0);
    task->expires_wall = view.expires_us;
    if (submit->delay_ms != 0)
        task->due_boot = model->rig.now.boot_us + submit->delay_ms * 1000;
    task->due_wall = submit->at_us;
}

static void step_repeat(struct model *model) {
    if (model->count == 0)
        return;
    size_t index = below(model, model->count);
    struct fq_command command = engine_rig_submit(index, "another-name");
    assert_int_equal(engine_rig_run(&model->rig, &command), FQ_EIDCONFLICT);
}

static void step_fetch(struct model *model) {
    fq_str names[NAMES];
    int worker = (int)below(model, WORKERS);
    struct fq_command command = {.type = FQ_COMMAND_FETCH};
    command.fetch.worker = fq_str_of(worker_ids[worker]);
    command.fetch.count = 1 + (uint32_t)below(model, 6);
    model->offered = model->registered[worker];
    if (model->offered == 0 || below(model, 2) == 0) {
        uint32_t asked = 1 + (uint32_t)below(model, (1 << NAMES) - 1);
        for (int i = 0; i < NAMES; i++) {
            if ((asked >> i & 1) != 0)
                names[command.fetch.name_count++] = fq_str_of(name_texts[i]);
        }
        command.fetch.names = names;
        model->offered = model->offered != 0 ? model->offered & asked : asked;
    }
    assert_int_equal(engine_rig_run(&model->rig, &command), 0);
    size_t granted = 0, lost = 0, next = best(model, model->offered);
    for (size_t i = 0; i < fq_decision_effect_count(model->rig.decision); i++) {
        const struct fq_effect *effect = fq_decision_effect(model->rig.decision, i);
        if (effect->type != FQ_EFFECT_GRANTED)
            continue;
        granted++;
        lost += model->tasks[index_of(model, &effect->id)].losses != 0;
    }
    assert_true(lost == 0 || granted == 1); // what was lost before goes alone
    assert_true(granted == command.fetch.count || next == SIZE_MAX || lost != 0 ||
                (granted > 0 && model->tasks[next].losses != 0));
    model->offered = 0;
}

static size_t any_task(struct model *model, bool leased) {
    for (int tries = 0; tries < 60 && model->count > 0; tries++) {
        size_t window = model->count < 400 ? model->count : 400; // mostly the young ones
        size_t index = model->count - 1 - below(model, below(model, 10) == 0 ? model->count : window);
        if (!leased || model->tasks[index].token != 0)
            return index;
    }
    return SIZE_MAX;
}

static void step_lease(struct model *model) {
    size_t index = any_task(model, below(model, 10) != 0);
    if (index == SIZE_MAX)
        return;
    struct model_task *task = &model->tasks[index];
    bool stale = task->token == 0 || below(model, 10) == 0;
    uint64_t token = stale ? task->old_token : task->token;
    struct fq_command command = {.random = fq_random_next(&model->random)};
    struct fq_heartbeat beat = {engine_rig_id(index), token, FQ_REPORT_RUNNING, 0};
    switch (below(model, 8)) {
    case 0:
    case 1:
    case 2:
        command.type = FQ_COMMAND_COMPLETE;
        command.complete.id = beat.id;
        command.complete.token = token;
        command.complete.result = FQ_STR("[1,2]");
        break;
    case 3:
        command.type = FQ_COMMAND_FAIL;
        command.fail.id = beat.id;
        command.fail.token = token;
        command.fail.type = FQ_STR("E");
        command.fail.crash = below(model, 2) == 0;
        command.fail.no_retry = below(model, 5) == 0;
        command.fail.run_us = -1;
        break;
    case 4:
        command.type = FQ_COMMAND_RELEASE;
        command.release.id = beat.id;
        command.release.token = token;
        break;
    default:
        command.type = FQ_COMMAND_HEARTBEAT;
        beat.state = below(model, 2) == 0 ? FQ_REPORT_RUNNING : FQ_REPORT_HELD;
        command.heartbeat.beats = &beat;
        command.heartbeat.beat_count = 1;
        break;
    }
    bool cancelling = task->cancelling;
    int rc = engine_rig_run(&model->rig, &command);
    if (command.type != FQ_COMMAND_HEARTBEAT) {
        assert_int_equal(rc, stale ? FQ_ESTALELEASE : 0);
        return;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(fq_decision_verdict(model->rig.decision, 0), stale        ? FQ_VERDICT_STALE
                                                                  : cancelling ? FQ_VERDICT_CANCEL
                                                                               : FQ_VERDICT_OK);
}

static void step_admin(struct model *model) {
    size_t index = any_task(model, false);
    if (index == SIZE_MAX)
        return;
    struct model_task *task = &model->tasks[index];
    struct fq_command command = {0};
    int name = (int)below(model, NAMES);
    switch (below(model, 5)) {
    case 0:
    case 1:
        command.type = FQ_COMMAND_CANCEL;
        command.cancel.id = engine_rig_id(index);
        bool live = !fq_task_state_is_final(task->state);
        assert_int_equal(engine_rig_run(&model->rig, &command), 0);
        assert_int_equal(fq_decision_touched(model->rig.decision), live);
        break;
    case 2:
        command.type = below(model, 2) == 0 ? FQ_COMMAND_DEAD_REQUEUE : FQ_COMMAND_DEAD_PURGE;
        command.one = true;
        command.dead_requeue.id = engine_rig_id(index);
        if (command.type == FQ_COMMAND_DEAD_PURGE)
            command.dead_purge_one.id = engine_rig_id(index);
        bool dead = task->state == FQ_TASK_FAILURE && !task->gone;
        int rc = engine_rig_run(&model->rig, &command);
        // A requeue may also meet another holder of its unique key.
        assert_true(dead ? rc == 0 || command.type == FQ_COMMAND_DEAD_REQUEUE : rc < 0);
        if (rc == 0 && command.type == FQ_COMMAND_DEAD_REQUEUE) {
            struct fq_task_view view;
            assert_int_equal(fq_engine_task(model->rig.engine, &command.dead_requeue.id, &view), 0);
            snprintf(task->unique, sizeof task->unique, "%.*s", FQ_STR_ARGS(view.options.unique));
            task->cancelling = false;
        }
        break;
    case 3:
        command.type = FQ_COMMAND_PAUSE;
        command.pause.name = fq_str_of(name_texts[name]);
        assert_int_equal(engine_rig_run(&model->rig, &command), 0);
        model->paused[name] = true;
        break;
    default:
        command.type = FQ_COMMAND_RESUME;
        command.resume.name = below(model, 2) == 0 ? FQ_STR("") : fq_str_of(name_texts[name]);
        assert_int_equal(engine_rig_run(&model->rig, &command), 0);
        for (int i = 0; i < NAMES; i++)
            model->paused[i] = model->paused[i] && command.resume.name.len != 0 && i != name;
        break;
    }
}

static void step_worker(struct model *model) {
    int worker = (int)below(model, WORKERS);
    struct fq_command command = {0};
    fq_str names[NAMES];
    if (model->registered[worker] == 0 || below(model, 3) != 0) {
        uint32_t mask = 1 + (uint32_t)below(model, (1 << NAMES) - 1);
        command.type = FQ_COMMAND_REGISTER;
        command.worker_register.worker = fq_str_of(worker_ids[worker]);
        command.worker_register.instance = FQ_STR("i");
        command.worker_register.names = names;
        for (int i = NAMES; i-- > 0;) {
            if ((mask >> i & 1) != 0)
                names[command.worker_register.name_count++] = fq_str_of(name_texts[i]);
        }
        assert_int_equal(engine_rig_run(&model->rig, &command), 0);
        model->registered[worker] = mask;
        return;
    }
    command.type = below(model, 2) == 0 ? FQ_COMMAND_UNREGISTER : FQ_COMMAND_WORKER_GONE;
    command.worker.worker = fq_str_of(worker_ids[worker]);
    command.worker.instance = FQ_STR("i");
    model->by_vanishing = command.type == FQ_COMMAND_WORKER_GONE;
    assert_int_equal(engine_rig_run(&model->rig, &command), 0);
    model->by_vanishing = false;
    model->registered[worker] = 0;
}

static void step_time(struct model *model) {
    model->by_time = true;
    if (below(model, 20) == 0)
        model->rig.now.wall_us += (int64_t)below(model, 20000000) - 10000000;
    engine_rig_pass(&model->rig, (int64_t)below(model, below(model, 10) == 0 ? 20000000 : 400000));
    model->by_time = false;
    nothing_is_late(model);
}

static void step_restart(struct model *model) {
    if (below(model, 2) == 0)
        engine_rig_compact(&model->rig);
    model->by_time = true;
    engine_rig_restart(&model->rig);
    model->by_time = false;
    int64_t lease_us = model->rig.config.lease_ms * 1000;
    memset(model->registered, 0, sizeof model->registered);
    model->token = (uint64_t)model->rig.epoch << 40;
    for (size_t i = 0; i < model->count; i++) {
        struct model_task *task = &model->tasks[i];
        struct fq_task_view view;
        fq_uuid id = engine_rig_id(i);
        assert_int_equal(fq_engine_task(model->rig.engine, &id, &view), 0);
        task->finished_boot =
            INT64_MIN / 2; // wall clocks may have moved; only that it is forgotten is asked for
        if (task->state == FQ_TASK_STARTED)
            task->lease_until = model->rig.now.boot_us + lease_us;
        if (task->state == FQ_TASK_SCHEDULED && task->due_boot != 0) {
            int64_t left = view.due_us - model->rig.now.wall_us, whole = view.due_us - view.eligible_us;
            left = left < 0 ? 0 : left > whole ? whole : left;
            task->due_boot = model->rig.now.boot_us + left;
        }
    }
    step_time(model);
}

static void walk(uint64_t seed) {
    static struct model model;
    model = (struct model){.retry_base_ms = 500};
    model.tasks = calloc(TASKS_MAX, sizeof *model.tasks);
    fq_random_seed(&model.random, seed);
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    config.default_result_ttl_ms = 60000;
    config.result_count_max = 60;
    config.dead_count_max = 50;
    config.loss_max = (uint32_t)(seed % 3);
    config.seed = seed;
    engine_rig_open(&model.rig, &config);
    model.rig.check_each = false;
    model.rig.observe = observe;
    model.rig.context = &model;
    for (int step = 0; step < STEPS; step++) {
        uint64_t kind = below(&model, 1000);
        if (kind < 300)
            step_submit(&model);
        else if (kind < 320)
            step_repeat(&model);
        else if (kind < 560)
            step_fetch(&model);
        else if (kind < 880)
            step_lease(&model);
        else if (kind < 910)
            step_admin(&model);
        else if (kind < 925)
            step_worker(&model);
        else if (kind < 999 || step % 7 != 0)
            step_time(&model);
        else
            step_restart(&model);
        if (step % 2000 == 0)
            all_is_as_modelled(&model);
    }
    all_is_as_modelled(&model);
    struct fq_engine_stats stats;
    fq_engine_stats(model.rig.engine, model.rig.now, &stats);
    uint64_t totals[] = {stats.granted_total,   stats.completed_total, stats.failed_total,
                         stats.retried_total,   stats.returned_total,  stats.crashed_total,
                         stats.cancelled_total, stats.expired_total,   stats.evicted_total,
                         model.rig.epoch};
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
        assert_true(totals[i] >= 5); // the walk went everywhere
    engine_rig_close(&model.rig);
    free(model.tasks);
}

static void walk_seed_1(void **state) {
    (void)state;
    walk(1);
}
static void walk_seed_2(void **state) {
    (void)state;
    walk(2);
}
static void walk_seed_3(void **state) {
    (void)state;
    walk(0x5eed);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_seed_1),
        cmocka_unit_test(walk_seed_2),
        cmocka_unit_test(walk_seed_3),
    };
    if (argc > 1) { // one seed, to look at a failure
        walk(strtoull(argv[1], NULL, 0));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
