// SPDX-License-Identifier: Apache-2.0
#include "engine/offer.h"

#include "engine/queue.h"

// --- heaps of a set -------------------------------------------------------------------------------------------------
static void put(struct fq_set *set, enum fq_priority priority, uint32_t index, struct fq_set_slot slot) {
    set->heap[priority][index] = slot;
    set->members[slot.member].place[priority] = index + 1;
}

static void sift(struct fq_set *set, enum fq_priority priority, uint32_t index, struct fq_set_slot slot) {
    const struct fq_set_slot *heap = set->heap[priority];
    uint32_t count = set->heap_count[priority];
    while (index > 0 && slot.turn < heap[(index - 1) / 2].turn) {
        put(set, priority, index, heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= count)
            break;
        if (child + 1 < count && heap[child + 1].turn < heap[child].turn)
            child++;
        if (slot.turn <= heap[child].turn)
            break;
        put(set, priority, index, heap[child]);
        index = child;
    }
    put(set, priority, index, slot);
}

static void member_changed(struct fq_member *member, enum fq_priority priority) {
    struct fq_set *set = member->set;
    uint32_t self = (uint32_t)(member - set->members);
    uint64_t head = member->name->queues[priority].head;
    bool waits = head != 0 && !member->name->paused;
    uint32_t place = member->place[priority];
    if (waits) {
        sift(set, priority, place != 0 ? place - 1 : set->heap_count[priority]++,
             (struct fq_set_slot){head, self});
    } else if (place != 0) {
        member->place[priority] = 0;
        struct fq_set_slot last = set->heap[priority][--set->heap_count[priority]];
        if (last.member != self)
            sift(set, priority, place - 1, last);
    }
}

void fq_offer_head_changed(struct fq_name *name, enum fq_priority priority) {
    for (fq_list_link *link = name->members.next; link != &name->members; link = link->next)
        member_changed(FQ_ELEMENT(link, struct fq_member, of_name), priority);
}

void fq_offer_pause_changed(struct fq_name *name) {
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++)
        fq_offer_head_changed(name, (enum fq_priority)priority);
}

// --- sets -----------------------------------------------------------------------------------------------------------
struct fq_set *fq_set_new(uint32_t count) {
    size_t head = sizeof(struct fq_set) + (size_t)count * sizeof(struct fq_member);
    struct fq_set *set = calloc(1, head + (size_t)count * FQ_PRIORITY_COUNT * sizeof(struct fq_set_slot));
    if (set == NULL)
        return NULL;
    struct fq_set_slot *slots = (struct fq_set_slot *)(void *)((char *)set + head);
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++)
        set->heap[priority] = slots + (size_t)priority * count;
    fq_list_init(&set->workers);
    return set;
}

void fq_set_add(struct fq_set *set, struct fq_name *name) {
    struct fq_member *member = &set->members[set->member_count++];
    member->name = name;
    member->set = set;
    fq_list_append(&name->members, &member->of_name);
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++)
        member_changed(member, (enum fq_priority)priority);
}

struct fq_set *fq_set_free(struct fq_set *set) {
    if (set == NULL)
        return NULL;
    for (uint32_t i = 0; i < set->member_count; i++)
        fq_list_remove(&set->members[i].of_name);
    free(set);
    return NULL;
}

uint64_t fq_set_hash(const fq_str *names, size_t count) {
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++)
        hash = fq_hash_str(names[i], fq_hash_mix(hash));
    return hash;
}

bool fq_set_equals(const struct fq_set *set, const fq_str *names, size_t count) {
    if (set->member_count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!fq_str_equal(fq_name_text(set->members[i].name), names[i]))
            return false;
    }
    return true;
}

bool fq_set_has(const struct fq_set *set, fq_str name) {
    uint32_t low = 0, high = set->member_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = fq_str_compare(fq_name_text(set->members[middle].name), name);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

// --- choosing -------------------------------------------------------------------------------------------------------
enum candidate_kind {
    IN_SET, // from = the set, index = place in its heap
    IN_NAME,
    IN_LINE, // from = the task
    IN_BACK,
};

static int candidate_add(fq_decision *decision, enum candidate_kind kind, uint64_t key, const void *from,
                         uint32_t index) {
    return fq_candidate_add(decision,
                            (struct fq_candidate){.key = key, .from = from, .index = index, .kind = kind});
}

void fq_choice_begin(fq_decision *decision) {
    decision->candidate_count = 0;
}

static int add_set_slot(fq_decision *decision, const struct fq_set *set, enum fq_priority priority,
                        uint32_t index) {
    if (index >= set->heap_count[priority])
        return 0;
    __builtin_prefetch(&set->members[set->heap[priority][index].member]);
    return candidate_add(decision, IN_SET, set->heap[priority][index].turn, set, index);
}

int fq_choice_add_set(fq_decision *decision, const struct fq_set *set, enum fq_priority priority) {
    return add_set_slot(decision, set, priority, 0);
}

int fq_choice_add_name(fq_decision *decision, const struct fq_name *name, enum fq_priority priority) {
    if (name->paused || name->queues[priority].head == 0)
        return 0;
    return candidate_add(decision, IN_NAME, name->queues[priority].head, name, 0);
}

// A task that has waited long lies in none of the caches. What the hand-out reads of it comes in while others are chosen.
static void fetch_ahead(const struct fq_task *task) {
    enum { LINE = 64 };
    const char *bytes = (const char *)task;
    for (size_t at = 0; at < offsetof(struct fq_task, tail) + 2 * LINE; at += LINE)
        __builtin_prefetch(bytes + at);
}

static int add_task(fq_decision *decision, enum candidate_kind kind, const struct fq_task *task) {
    if (task == NULL)
        return 0;
    fetch_ahead(task);
    return candidate_add(decision, kind, task->order, task, 0);
}

// What becomes eligible for choice when `candidate` is taken.
static int expand(fq_decision *decision, struct fq_candidate candidate, enum fq_priority priority) {
    const struct fq_name *name = candidate.from;
    if (candidate.kind == IN_SET) {
        const struct fq_set *set = candidate.from;
        name = set->members[set->heap[priority][candidate.index].member].name;
        for (uint32_t child = 1; child <= 2; child++) {
            int rc = add_set_slot(decision, set, priority, 2 * candidate.index + child);
            if (rc < 0)
                return rc;
        }
    }
    const struct fq_queue *queue = &name->queues[priority];
    const struct fq_task *first = fq_queue_line_first(queue);
    if (queue->back.root ==
        NULL) { // then the queue knows the turn of its first, who need not be looked at yet
        fetch_ahead(first);
        return candidate_add(decision, IN_LINE, queue->head, first, 0);
    }
    int rc = add_task(decision, IN_LINE, first);
    return rc == 0 ? add_task(decision, IN_BACK, fq_queue_back_first(queue)) : rc;
}

int fq_choice_next(fq_decision *decision, enum fq_priority priority, struct fq_task **ret_task) {
    while (decision->candidate_count > 0) {
        struct fq_candidate first = fq_candidate_take(decision);
        if (first.kind == IN_SET || first.kind == IN_NAME) {
            int rc = expand(decision, first, priority);
            if (rc < 0)
                return rc;
            continue;
        }
        const struct fq_task *task = first.from;
        const struct fq_queue *queue = &task->name->queues[priority];
        struct fq_task *next =
            first.kind == IN_LINE ? fq_queue_line_next(queue, task) : fq_queue_back_next(queue, task);
        int rc = add_task(decision, (enum candidate_kind)first.kind, next);
        if (rc < 0)
            return rc;
        // The queue's own record of the task, which the engine will change when the decision is applied.
        *ret_task = (struct fq_task *)(uintptr_t)first.from;
        return 1;
    }
    return 0;
}
