// SPDX-License-Identifier: Apache-2.0
// Tells systemd how the service stands (sd_notify), if it started us and asked for it.
#ifndef FQ_NET_NOTIFY_H
#define FQ_NET_NOTIFY_H

/** One datagram ("READY=1", "STOPPING=1\nSTATUS=…") to $NOTIFY_SOCKET; nothing happens without one. */
void fq_notify(const char *text);

#endif
