/*
 * sockdiag.c: the kernel tells the queue of a Unix listener through NETLINK_SOCK_DIAG, asked for
 * exactly one socket by its inode; that of a TCP listener is in its tcp_info.
 */
#include "pool/sockdiag.h"
#include "base/base.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int send_question(int netlink, uint32_t inode)
{
    const struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } question = {
        .header = {.nlmsg_len = sizeof question,
            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
            .nlmsg_flags = NLM_F_REQUEST},
        .request = {.sdiag_family = AF_UNIX,
            .udiag_states = UINT32_MAX,
            .udiag_ino = inode,
            .udiag_show = UDIAG_SHOW_RQLEN,
            .udiag_cookie = {UINT32_MAX, UINT32_MAX}},
    };

    return send(netlink, &question, sizeof question, 0) == (ssize_t)sizeof question ? 0 : -1;
}

/* The attribute with both lengths; -1 with errno when the answer is an error or has none. */
static int read_answer(struct nlmsghdr *header, size_t length, uint32_t *queued, uint32_t *limit)
{
    const struct nlmsgerr *error = NLMSG_DATA(header);
    struct rtattr *attribute;
    unsigned left;

    errno = EPROTO;
    if (!NLMSG_OK(header, length))
        return -1;
    if (header->nlmsg_type == NLMSG_ERROR) {
        errno = error->error < 0 ? -error->error : EPROTO;
        return -1;
    }
    if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        header->nlmsg_len < NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
        return -1;
    attribute = (struct rtattr *)((struct unix_diag_msg *)NLMSG_DATA(header) + 1);
    left = (unsigned)(header->nlmsg_len - NLMSG_LENGTH(sizeof(struct unix_diag_msg)));
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        const struct unix_diag_rqlen *lengths = RTA_DATA(attribute);

        if (attribute->rta_type != UNIX_DIAG_RQLEN || RTA_PAYLOAD(attribute) < sizeof *lengths)
            continue;
        *queued = lengths->udiag_rqueue;
        *limit = lengths->udiag_wqueue;
        return 0;
    }
    return -1;
}

int sockdiag_unix_queue(int listen_fd, uint32_t *queued, uint32_t *limit)
{
    _Alignas(struct nlmsghdr) char answer[1024];
    struct stat status;
    ssize_t length;
    int netlink, result = -1;

    if (fstat(listen_fd, &status) != 0)
        return -1;
    netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink < 0)
        return -1;
    if (send_question(netlink, (uint32_t)status.st_ino) == 0) {
        length = recv(netlink, answer, sizeof answer, MSG_DONTWAIT);
        if (length >= 0)
            result = read_answer((void *)answer, (size_t)length, queued, limit);
    }
    close(netlink);
    return result;
}

static int tcp_queue(int listen_fd, uint32_t *queued, uint32_t *limit)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;

    if (getsockopt(listen_fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return -1;
    /* Of a listener these two mean something else than their names say. */
    *queued = info.tcpi_unacked;
    *limit = info.tcpi_sacked;
    return 0;
}

int sockdiag_queue(int listen_fd, uint32_t *queued, uint32_t *limit)
{
    int domain = 0;
    socklen_t length = sizeof domain;

    if (getsockopt(listen_fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0)
        return -1;
    if (domain == AF_UNIX)
        return sockdiag_unix_queue(listen_fd, queued, limit);
    return tcp_queue(listen_fd, queued, limit);
}
