/*
 * vitals - what the kernel knows of a connection, and how soon it is to give one up.
 *
 * TCP itself tells a dead link from a silent one: keepalive probes make a silent other end answer, and what is not
 * acknowledged is sent again.  The kernel counts what arrives, and the peer code judges by the counts of all of a
 * peer's connections together; the kernel's own limits, which know one connection only, stand behind that.
 */
#include "net/http/vitals.h"

#include <linux/tcp.h> /* its tcp_info is longer than the one of netinet/tcp.h */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/http/loop.h"

#define PATIENT_IDLE_S 5 /* without a link timeout */
#define INTERVAL_S 1
#define N_PROBES 3

static void set_number(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

void fy_vitals_watch(unsigned link_timeout_ms, int fd)
{
    unsigned idle_s = link_timeout_ms / 2000;

    if (link_timeout_ms == 0)
        idle_s = PATIENT_IDLE_S;
    set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s > 0 ? (int)idle_s : 1);
    set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, INTERVAL_S);
    set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, N_PROBES);
}

void fy_vitals_limit(unsigned link_timeout_ms, int fd)
{
    if (link_timeout_ms > 0)
        set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)link_timeout_ms);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void fy_vitals_reset(int fd)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    (void)connect(fd, &nobody, sizeof(nobody)); /* dissolves the association: connect(2); it may be gone already */
}

bool fy_vitals_read(int fd, struct fy_vitals *ret_vitals)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        len < offsetof(struct tcp_info, tcpi_segs_in) + sizeof(info.tcpi_segs_in) || info.tcpi_segs_in == 0)
        return false; /* nothing ever came: it is not connected yet */
    *ret_vitals = (struct fy_vitals){
        .n_arrived = info.tcpi_segs_in,
        .silence_ns = least(info.tcpi_last_data_recv, info.tcpi_last_ack_recv) * FY_NS_PER_MS,
        .n_acked = info.tcpi_bytes_acked,
        .is_awaited = info.tcpi_unacked > 0,
        .is_owed = info.tcpi_unacked > 0 && info.tcpi_retransmits > 0,
    };
    return true;
}
