// SPDX-License-Identifier: Apache-2.0
#include "engine/state.h"

static bool comes_before(struct fq_candidate a, struct fq_candidate b) {
    return a.key != b.key ? a.key < b.key : a.tie < b.tie;
}

int fq_candidate_add(fq_decision *decision, struct fq_candidate candidate) {
    void *array = decision->candidates;
    int rc = fq_array_reserve(&array, &decision->candidate_capacity, decision->candidate_count + 1,
                              sizeof *decision->candidates);
    if (rc < 0)
        return rc;
    decision->candidates = array;
    struct fq_candidate *heap = decision->candidates;
    size_t at = decision->candidate_count++;
    for (; at > 0 && comes_before(candidate, heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = candidate;
    return 0;
}

struct fq_candidate fq_candidate_take(fq_decision *decision) {
    FQ_ASSERT(decision->candidate_count > 0);
    struct fq_candidate *heap = decision->candidates;
    struct fq_candidate first = heap[0];
    struct fq_candidate last = heap[--decision->candidate_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= decision->candidate_count)
            break;
        if (child + 1 < decision->candidate_count && comes_before(heap[child + 1], heap[child]))
            child++;
        if (!comes_before(heap[child], last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}
