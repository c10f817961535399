/*
 * permits.c: byte 0 of the file is a door, bytes 1 and up are the permits. Who wants one first
 * waits at the door, where the kernel keeps a queue in order; who is through it tries all permits
 * in turn until one is free. The kernel can wait for one byte but not for any of several, so this
 * one process looks again every two milliseconds, which is nothing beside what permits are for.
 */
#include "pool/permits.h"
#include "base/base.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { DOOR = 0, PAUSE_NS = 2000000 };

/* Only a kernel without memory can refuse more than a lock that is taken. False: it is taken. */
static bool lock(int fd, int command, short type, int byte)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    while (fcntl(fd, command, &range) != 0) {
        if (errno == EAGAIN || errno == EACCES)
            return false;
        if (errno != EINTR)
            abort();
    }
    return true;
}

static int try_all(int fd, int count)
{
    for (int permit = 1; permit <= count; permit++)
        if (lock(fd, F_SETLK, F_WRLCK, permit))
            return permit;
    return 0;
}

int permits_open(void)
{
    return memfd_create("permits", MFD_CLOEXEC);
}

int permits_take(int fd, int count)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    int permit;

    lock(fd, F_SETLKW, F_WRLCK, DOOR);
    while ((permit = try_all(fd, count)) == 0)
        nanosleep(&pause, NULL);
    lock(fd, F_SETLK, F_UNLCK, DOOR);
    return permit;
}

void permits_give(int fd, int permit)
{
    lock(fd, F_SETLK, F_UNLCK, permit);
}
