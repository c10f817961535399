/*
 * turns.h: long computations that stay out of the way. The scheduler alone does not see to that:
 * Linux shares the processors out between groups (sessions, units) before it looks at a nice value,
 * and a group with little weight still keeps a processor for tens of milliseconds at times. So the
 * process pauses after each turn of 150 us. Who gets the processor back late
 * was not alone, and pauses for longer, up to 8 ms; who gets it back at once pauses for next to
 * nothing. A computation ends on a machine that never has time, too: after three seconds of pauses
 * it makes none.
 *
 * For a process with one thread, whose SIGALRM and timer ITIMER_REAL these become.
 */
#ifndef AUTH_TURNS_H
#define AUTH_TURNS_H

/* Once in the process: a low priority, and SIGALRM unblocked. */
void turns_init(void);

/* Around a computation. System calls in it may return EINTR. */
void turns_begin(void);
void turns_end(void);

#endif
