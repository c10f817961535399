/*
 * turns.h: long computations that stay out of the way. The scheduler alone does not see to that:
 * Linux shares the processors out between groups (sessions, units) before it looks at a nice value,
 * and a group with little weight still keeps a processor for tens of milliseconds at times. So the
 * process pauses after each turn of 150 us. When it had to wait for a processor meanwhile (the
 * kernel counts that), others are there, and it pauses for longer, up to 1 ms; when it had not, for
 * next to nothing. A computation ends on a machine that never has time, too: after two seconds of
 * pauses it makes none.
 *
 * For a process with one thread, whose SIGALRM and timer ITIMER_REAL these become.
 */
#ifndef AUTH_TURNS_H
#define AUTH_TURNS_H

/* Once in the process: a low priority, SIGALRM unblocked, and a descriptor. */
void turns_init(void);

/* Around a computation. System calls in it may return EINTR. */
void turns_begin(void);
void turns_end(void);

#endif
