// SPDX-License-Identifier: Apache-2.0
#include "net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void describe_ipv4(const struct in_addr *address, unsigned port, struct fq_peer *ret_peer) {
    inet_ntop(AF_INET, address, ret_peer->source, sizeof ret_peer->source);
    snprintf(ret_peer->text, sizeof ret_peer->text, "%s:%u", ret_peer->source, port);
    ret_peer->is_local = (ntohl(address->s_addr) >> 24) == 127;
}

// Whoever has one IPv6 address has the 2^64 beside it: they are one source.
static void describe_ipv6(const struct in6_addr *address, unsigned port, struct fq_peer *ret_peer) {
    char host[INET6_ADDRSTRLEN] = "";
    struct in6_addr network = *address;
    memset(&network.s6_addr[8], 0, 8);
    inet_ntop(AF_INET6, address, host, sizeof host);
    snprintf(ret_peer->text, sizeof ret_peer->text, "[%s]:%u", host, port);
    ret_peer->is_local = IN6_IS_ADDR_LOOPBACK(address);
    inet_ntop(AF_INET6, ret_peer->is_local ? address : &network, ret_peer->source, sizeof ret_peer->source);
}

void fq_peer_describe(const struct sockaddr *from, const char *path, struct fq_peer *ret_peer) {
    *ret_peer = (struct fq_peer){.is_local = false};
    const struct sockaddr_in *ipv4 = (const void *)from;
    const struct sockaddr_in6 *ipv6 = (const void *)from;
    if (from != NULL && from->sa_family == AF_INET) {
        describe_ipv4(&ipv4->sin_addr, ntohs(ipv4->sin_port), ret_peer);
    } else if (from != NULL && from->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ipv6->sin6_addr)) {
        struct in_addr mapped;
        memcpy(&mapped, &ipv6->sin6_addr.s6_addr[12], sizeof mapped);
        describe_ipv4(&mapped, ntohs(ipv6->sin6_port), ret_peer);
    } else if (from != NULL && from->sa_family == AF_INET6) {
        describe_ipv6(&ipv6->sin6_addr, ntohs(ipv6->sin6_port), ret_peer);
    } else {
        snprintf(ret_peer->text, sizeof ret_peer->text, "unix:%s", path);
        snprintf(ret_peer->source, sizeof ret_peer->source, "unix");
        ret_peer->is_local = true;
    }
}

void fq_peer_hang_up(int fd) {
    if (fd >= 0)
        (void)shutdown(fd, SHUT_RDWR);
}
