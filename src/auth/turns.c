/*
 * turns.c: a timer whose handler sleeps. What it calls may be called in a handler
 * (signal-safety(7)).
 */
#include "auth/turns.h"
#include "base/base.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum {
    NICENESS = 19,
    TURN_US = 150,
    PAUSE_MIN_US = 20,
    PAUSE_MAX_US = 1000,
    CROWDED_US = 50,
    PAUSED_MAX_US = 2000000
};

static volatile sig_atomic_t computing;
static int statistics = -1; /* of the scheduler (proc(5), schedstat); -1: there are none */

/* The handler's, while `computing`. */
static long pause_us = PAUSE_MIN_US; /* what the last computation has learned is kept */
static int64_t paused_us;            /* all of it, in this computation */
static int64_t waited_us;            /* for a processor, in the life of the process */

static void arm(long us)
{
    setitimer(ITIMER_REAL, &(const struct itimerval){.it_value = {.tv_usec = us}}, NULL);
}

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* How long the process has been ready to run, and did not: the second number there, nanoseconds. */
static int64_t look_how_long_waited(void)
{
    char text[64] = "";
    const char *at = text;
    int64_t waited_ns = 0;

    if (pread(statistics, text, sizeof text - 1, 0) <= 0)
        return 0;
    at += strspn(at, "0123456789") + 1;
    for (; *at >= '0' && *at <= '9'; at++)
        waited_ns = waited_ns * 10 + (*at - '0');
    return waited_ns / 1000;
}

static void on_alarm(int sig)
{
    const int error = errno;
    const int64_t from = now_us();
    const int64_t before = waited_us;

    (void)sig;
    if (computing && paused_us < PAUSED_MAX_US) {
        nanosleep(&(const struct timespec){.tv_nsec = pause_us * 1000}, NULL);
        paused_us += now_us() - from;
        waited_us = look_how_long_waited();
        if (waited_us - before > CROWDED_US)
            pause_us = MIN(pause_us * 2, PAUSE_MAX_US);
        else
            pause_us = MAX(pause_us - pause_us / 16, PAUSE_MIN_US);
        arm(TURN_US);
    }
    errno = error;
}

/* And from Linux 6.12 on the shortest slice that can be had: who wakes up meanwhile waits for it.
 */
static void be_nice(void)
{
    /* struct sched_attr, whose header cannot be had together with libc's <sched.h>. */
    const struct {
        uint32_t size;
        uint32_t policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns;
        uint64_t deadline_ns;
        uint64_t period_ns;
    } attributes = {
        .size = sizeof attributes, .policy = SCHED_OTHER, .nice = NICENESS, .runtime_ns = 100000};

    if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0)
        setpriority(PRIO_PROCESS, 0, NICENESS);
}

void turns_init(void)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigset_t alarm;

    be_nice();
    statistics = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_TIMERSLACK, 1); /* pauses end when they should */
    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarm, NULL);
}

void turns_begin(void)
{
    paused_us = 0;
    computing = 1;
    arm(TURN_US);
}

void turns_end(void)
{
    computing = 0; /* a handler that comes late does not arm it again */
    arm(0);
}
