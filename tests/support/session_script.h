// SPDX-License-Identifier: Apache-2.0
// Steps of scripts against a session: feed these bytes, expect that output, expect this event.
#ifndef FQ_TEST_SESSION_SCRIPT_H
#define FQ_TEST_SESSION_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/session.h"

#include <string.h>

#define HELLO_REPLY "%2\r\n$6\r\nserver\r\n$9\r\nfastqueue\r\n$5\r\nproto\r\n:3\r\n"
#define ID_A        "018f0000-0000-7000-8000-00000000000a"
#define ID_B        "018f0000-0000-7000-8000-00000000000b"
#define WATCH_A     "*2\r\n$8\r\nFQ.WATCH\r\n$36\r\n" ID_A "\r\n"
#define RESULT_PUSH(id)                                                                                      \
    ">3\r\n$9\r\nfq.result\r\n$36\r\n" id "\r\n%3\r\n$2\r\nid\r\n$36\r\n" id                                 \
    "\r\n$6\r\nstatus\r\n$7\r\nsuccess\r\n$6\r\nresult\r\n$1\r\n3\r\n"

static const int64_t S = 1000000;

/** With seed 7 and the token "secret". */
fq_session *script_session(void);
/** Connected and ready at the time S. */
fq_session *script_ready_session(void);
fq_slice script_slice(const char *text);
void script_expect_output(fq_session *session, const char *expected);
void script_feed(fq_session *session, const char *bytes);
struct fq_session_event script_expect_event(fq_session *session, enum fq_session_event_type type);
void script_expect_no_event(fq_session *session);
/** Submits "t" with payload "p" under the id; its output is taken. */
void script_submit(fq_session *session, const char *id, bool want_result, uint64_t tag);

#endif
