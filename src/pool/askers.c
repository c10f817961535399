/*
 * askers.c: the answer is URG, because whoever does not expect it ignores it: the process that has
 * asked may be gone, and its number given to another.
 */
#include "pool/askers.h"

enum { QUESTION = 0x70657473, ANSWER_RELOADED = QUESTION + 1, ANSWER_FAILED = QUESTION + 2 };

static int send_value(pid_t pid, int signal, int value)
{
    return sigqueue(pid, signal, (union sigval){.sival_int = value});
}

void askers_note(struct askers *askers, const siginfo_t *info, bool next)
{
    pid_t *list = next ? askers->next : askers->now;

    if (info->si_code != SI_QUEUE || info->si_value.sival_int != QUESTION)
        return;
    for (size_t i = 0; i < ASKERS_MAX; i++) {
        if (list[i] == 0) {
            list[i] = info->si_pid;
            return;
        }
    }
}

void askers_answer(struct askers *askers, bool reloaded)
{
    for (size_t i = 0; i < ASKERS_MAX && askers->now[i] != 0; i++)
        send_value(askers->now[i], SIGURG, reloaded ? ANSWER_RELOADED : ANSWER_FAILED);
    memcpy(askers->now, askers->next, sizeof askers->now);
    memset(askers->next, 0, sizeof askers->next);
}

/* 1, 0 or, when it is not an answer of that process, -1. */
static int read_answer(const siginfo_t *info, pid_t master)
{
    if (info->si_code != SI_QUEUE || info->si_pid != master)
        return -1;
    if (info->si_value.sival_int == ANSWER_RELOADED)
        return 1;
    return info->si_value.sival_int == ANSWER_FAILED ? 0 : -1;
}

int askers_ask(pid_t master, int timeout_ms)
{
    int64_t end_us = base_now_us() + (int64_t)timeout_ms * 1000;
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || send_value(master, ASKERS_SIGNAL, QUESTION) != 0)
        return -1;
    for (int64_t left_us; (left_us = end_us - base_now_us()) > 0;) {
        const struct timespec left = {left_us / 1000000, left_us % 1000000 * 1000};

        if (sigtimedwait(&set, &info, &left) == SIGURG && read_answer(&info, master) != -1)
            return read_answer(&info, master);
        /* No answer will come from who is no more. */
        if (kill(master, 0) != 0)
            return -1;
    }
    errno = ETIMEDOUT;
    return -1;
}
