// SPDX-License-Identifier: Apache-2.0
#include "journal/leader.h"

#include <inttypes.h>
#include <stdio.h>

static fq_str next_word(fq_str *rest) {
    const char *space = rest->len > 0 ? memchr(rest->ptr, ' ', rest->len) : NULL;
    fq_str word = {rest->ptr, space != NULL ? (size_t)(space - rest->ptr) : rest->len};
    size_t taken = space != NULL ? word.len + 1 : word.len;
    *rest = (fq_str){rest->ptr + taken, rest->len - taken};
    return word;
}

static bool copy(fq_str text, char *to, size_t size) {
    if (text.len >= size)
        return false;
    memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
    return true;
}

static bool parse(fq_str text, struct fq_leader *leader) {
    if (!fq_str_equal(next_word(&text), FQ_STR("FQA1")))
        return false;
    fq_str state = next_word(&text), beat = next_word(&text), address = next_word(&text);
    leader->is_active = fq_str_equal(state, FQ_STR("active"));
    return fq_str_to_uint64(beat, &leader->beat) == 0 &&
           copy(address, leader->address, sizeof leader->address) &&
           copy(text, leader->id, sizeof leader->id);
}

int fq_leader_get(fq_stream *stream, struct fq_leader *ret_leader) {
    struct fq_leader leader = {0};
    fq_buf value = {0};
    uint64_t revision;
    int result = stream->ops->get(stream, FQ_STREAM_LEADER, &value, &revision);
    if (result == 0) {
        if (revision == 0 || !parse(fq_buf_str(&value), &leader))
            leader = (struct fq_leader){0};
        leader.revision = revision;
        *ret_leader = leader;
    }
    fq_buf_done(&value);
    return result;
}

int fq_leader_put(fq_stream *stream, struct fq_leader *leader) {
    char text[FQ_STREAM_REGISTER_MAX];
    int len = snprintf(text, sizeof text, "FQA1 %s %" PRIu64 " %s %s", leader->is_active ? "active" : "left",
                       leader->beat, leader->address, leader->id);
    uint64_t before = leader->revision;
    int result =
        stream->ops->put(stream, FQ_STREAM_LEADER, (fq_str){text, (size_t)len}, before, &leader->revision);
    if (result != FQ_EAGAIN && result != FQ_ELOCKED)
        return result;
    struct fq_leader now;
    if (fq_leader_get(stream, &now) < 0)
        return FQ_EAGAIN;
    bool is_mine = now.revision != before && now.beat == leader->beat && now.is_active == leader->is_active &&
                   strcmp(now.id, leader->id) == 0 && strcmp(now.address, leader->address) == 0;
    if (is_mine)
        leader->revision = now.revision;
    if (is_mine || now.revision != before)
        return is_mine ? 0 : FQ_ELOCKED;
    return FQ_EAGAIN; // refused because of a put that is still under way: this one's, or another's
}
