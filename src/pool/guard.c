/*
 * guard.c: the only signal handler of the program. A library that reads and writes by blocking
 * calls can be held for ever by a peer that sends a byte now and then; no socket option bounds
 * that, as each byte starts the clock anew. So a timer ticks, and when the deadline of the guarded
 * section has passed its handler shuts the descriptor down, which ends the blocked call and every
 * later one. The timer is aimed at the thread of the loop: in another thread the handler could
 * strike just after the section was left and its descriptor reused.
 */
#include "pool/worker.h"
#include "base/base.h"

#include <sys/socket.h>
#include <sys/syscall.h>

/* glibc gained the documented name of this member late. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct {
    _Atomic int fd;
    _Atomic int64_t deadline_us; /* 0: not in a guarded section */
    _Atomic bool struck;
} guard;

static void on_tick(int signal)
{
    int saved = errno;
    int64_t deadline = atomic_load(&guard.deadline_us);

    (void)signal;
    if (deadline != 0 && base_now_us() >= deadline) {
        atomic_store(&guard.struck, true);
        shutdown(atomic_load(&guard.fd), SHUT_RDWR);
    }
    errno = saved;
}

int guard_start(void)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    struct itimerspec tick = {.it_value.tv_nsec = GUARD_TICK_MS * 1000000L,
        .it_interval.tv_nsec = GUARD_TICK_MS * 1000000L};
    sigset_t alarm;
    timer_t timer;

    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    if (sigaction(SIGALRM, &action, NULL) != 0 || sigprocmask(SIG_UNBLOCK, &alarm, NULL) != 0)
        return -1;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        return -1;
    return timer_settime(timer, 0, &tick, NULL);
}

void guard_enter(int fd, int limit_ms)
{
    atomic_store(&guard.struck, false);
    atomic_store(&guard.fd, fd);
    atomic_store(&guard.deadline_us, base_now_us() + (int64_t)limit_ms * 1000);
}

bool guard_leave(void)
{
    atomic_store(&guard.deadline_us, 0);
    return atomic_load(&guard.struck);
}
