// SPDX-License-Identifier: Apache-2.0
#include "core_words.h"

#include "base/assert.h"
#include "engine/view.h"
#include "resp/writer.h"
#include "server/command.h"

#include <inttypes.h>
#include <stdio.h>

enum { WORDS_MAX = 40, TOKEN = 0, IDS_END = 4, LITERAL = 255, NUMBERS_FROM = 160 };

static const char *const pool[] = {
    "", // TOKEN
    "00000000-0000-4000-8000-000000000001",
    "00000000-0000-4000-8000-000000000002",
    "00000000-0000-4000-8000-000000000003",
    "add",
    "mul",
    "w",
    "v",
    "n1",
    "n2",
    "t",
    "default",
    "json",
    "raw",
    "pickle",
    "critical",
    "high",
    "normal",
    "low",
    "pending",
    "started",
    "success",
    "failure",
    "cancelled",
    "scheduled",
    "expired",
    "ID",
    "PRIORITY",
    "DELAY",
    "AT",
    "EXPIRES",
    "TIMEOUT",
    "RETRIES",
    "BACKOFF",
    "UNIQUE",
    "RESULT-TTL",
    "ENCODING",
    "TRACEPARENT",
    "TRACESTATE",
    "BAGGAGE",
    "WAIT",
    "INSTANCE",
    "TASKS",
    "SLOTS",
    "META",
    "WORKER",
    "COUNT",
    "BLOCK",
    "STARTED",
    "RUN",
    "STACK",
    "NORETRY",
    "CRASH",
    "held",
    "running",
    "running@1800000000000",
    "CURSOR",
    "STATUS",
    "NAME",
    "LIST",
    "REQUEUE",
    "PURGE",
    "ALL",
    "AUTH",
    "SETNAME",
    "GETNAME",
    "SETINFO",
    "LIB-NAME",
    "LIB-VER",
    "INFO",
    "DOCS",
    "NO-EVICT",
    "NO-TOUCH",
    "ON",
    "OFF",
    "GET",
    "*",
    "server",
    "memory",
    "everything",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "k=v",
    "a=b",
    "-1",
    "0",
    "1",
    "50",
    "1000",
    "86400000",
    "1800000001000",
    "9223372036854775807",
    "18446744073709551615",
};
enum { POOL_COUNT = sizeof pool / sizeof pool[0] };

static size_t row_count(void) {
    size_t count = 0;
    while (fq_command_row(count) != NULL)
        count++;
    return count;
}

// The token under which the task is leased, or one that never was.
static void write_token(const fq_engine *engine, const char *id_text, fq_buf *text) {
    fq_uuid id;
    struct fq_task_view view;
    uint64_t token = 1;
    if (fq_uuid_parse(fq_str_of(id_text), &id) == 0 && fq_engine_task(engine, &id, &view) == 0 &&
        view.state == FQ_TASK_STARTED)
        token = view.token;
    FQ_ASSERT(fq_buf_printf(text, "%" PRIu64, token) == 0);
}

// Appends the word that the first bytes choose to `text`; how many bytes it took.
static size_t take_word(const fq_engine *engine, fq_str bytes, const char **last_id, fq_buf *text) {
    unsigned choice = (unsigned char)bytes.ptr[0];
    if (choice == LITERAL && bytes.len > 1) {
        size_t len = (unsigned char)bytes.ptr[1];
        len = len < bytes.len - 2 ? len : bytes.len - 2;
        FQ_ASSERT(fq_buf_append(text, bytes.ptr + 2, len) == 0);
        return 2 + len;
    }
    if (choice >= NUMBERS_FROM) {
        FQ_ASSERT(fq_buf_printf(text, "%u", choice - NUMBERS_FROM) == 0);
        return 1;
    }
    choice %= POOL_COUNT;
    if (choice == TOKEN) {
        write_token(engine, *last_id, text);
        return 1;
    }
    if (choice < IDS_END)
        *last_id = pool[choice];
    FQ_ASSERT(fq_buf_append_str(text, fq_str_of(pool[choice])) == 0);
    return 1;
}

void core_words_write(const fq_engine *engine, fq_str bytes, fq_buf *out) {
    if (bytes.len == 0)
        return;
    size_t ends[WORDS_MAX], count = 0;
    const char *last_id = pool[1];
    fq_buf text = {0};
    FQ_ASSERT(fq_buf_append_str(
                  &text, fq_str_of(fq_command_row((unsigned char)bytes.ptr[0] % row_count())->name)) == 0);
    ends[count++] = fq_buf_len(&text);
    for (size_t at = 1; at < bytes.len && count < WORDS_MAX; count++) {
        at += take_word(engine, (fq_str){bytes.ptr + at, bytes.len - at}, &last_id, &text);
        ends[count] = fq_buf_len(&text);
    }
    struct fq_resp_writer writer = {.out = out, .protocol = 2};
    fq_resp_write_request(&writer, count);
    const char *words = fq_buf_str(&text).ptr;
    for (size_t i = 0, begin = 0; i < count; begin = ends[i++])
        fq_resp_write_string(&writer, (fq_str){words + begin, ends[i] - begin});
    fq_buf_done(&text);
}
