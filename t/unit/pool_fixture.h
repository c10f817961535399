/*
 * pool_fixture.h: a pool whose workers serve a toy protocol instead of FastCGI: a line is a
 * command, the answer a line. The master runs in a process of its own, with its configuration,
 * socket and log in a private directory.
 *
 *   who         "PID GENERATION KIND"
 *   fds         what the worker's descriptors are: "0:/dev/null 1:pipe:[...] ..."
 *   begin ID    a request that never ends, in stage database with statement 1, route 2
 *   retire      asks for a replacement
 *   count N     adds N to the hashes counter
 *   totals      sums of the whole pool: "HASHES"
 *   crash       SIGSEGV;  exit N: leaves with that status;  hang: the loop never goes round again
 *   deaf        from now on the worker ignores that it is asked to leave
 */
#ifndef UNIT_POOL_FIXTURE_H
#define UNIT_POOL_FIXTURE_H

#include "pool/master.h"

struct fixture {
    char directory[64];
    char config[96], socket[96], ops_socket[96], log[96], notify[96], secret[96];
    pid_t master;
    int notify_fd;
    long log_seen; /* how much of the log has been looked at */
};

/* Makes the directory and a good configuration with `workers` workers. */
void fixture_init(struct fixture *fixture, int workers);
/* Ends whatever is left and removes the directory. */
void fixture_free(struct fixture *fixture);

/* (Re)writes the configuration: `workers`, and more lines for [pool] and the end of the file. */
void fixture_configure(
    struct fixture *fixture, int workers, const char *pool_lines, const char *more_lines);

/* Starts the master, and waits for `event` in its log unless that is NULL. */
void fixture_start(struct fixture *fixture, const char *event);
void fixture_signal(const struct fixture *fixture, int signal);

/* The status of the master as waitpid has it; fails the test when it does not end in time. */
int fixture_wait(struct fixture *fixture);

/*
 * The next line of the log with that event, which must come within some seconds: borrowed until the
 * next call. Lines before it are skipped.
 */
const char *fixture_expect(struct fixture *fixture, const char *event);
/* How many lines of the whole log contain `part`. */
int fixture_count(const struct fixture *fixture, const char *part);
/* The next message to systemd, or NULL when there is none within some seconds. */
const char *fixture_notice(const struct fixture *fixture);

/* A connection; -1 when refused. */
int fixture_connect(const char *socket);
/* Sends a line and waits for the answer; NULL at the end of the connection. Borrowed until the
 * next. */
const char *fixture_ask(int fd, const char *command);
/* The same on a new connection. */
const char *fixture_ask_anew(const struct fixture *fixture, const char *command);

#endif
