/*
 * ctl.h: what the verbs of petsctl share: the command line they are given, complaints and exit
 * codes, the configuration, and one conversation with the database. petsctl.c parses, calls the
 * verb, and closes what it has opened; a verb is a function that fills nothing in but its result.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "base/arena.h"
#include "base/config.h"
#include "db/query.h"

/* What petsctl exits with. */
enum ctl_exit {
    CTL_DONE = 0,
    CTL_FAILED = 1,
    CTL_MISUSED = 2, /* the command line is wrong; nothing was tried */
    CTL_ABSENT = 3,  /* what was named is not there; nothing was changed */
    CTL_UNWELL = 4,  /* a pool does not serve */
};

/* Options of verbs; their names and what they mean are a table of verbs.c. */
enum ctl_option {
    CTL_ADMIN,
    CTL_NAME,
    CTL_EMAIL,
    CTL_REASON,
    CTL_JSON,
    CTL_LIMIT,
    CTL_BEFORE,
    CTL_ROLE,
    CTL_STATE,
    CTL_ALL,
    CTL_ADDRESS,
    CTL_NOW,
    CTL_OPTIONS, /* how many */
};
#define CTL_TAKES(option) (1U << CTL_##option)

enum { CTL_REASON_MAX = 500 }; /* bytes */

struct ctl {
    const char *file;                /* -c FILE; NULL: not given */
    const char *option[CTL_OPTIONS]; /* the value, "" for one without; NULL: not given */
    int count;                       /* what else follows the verb */
    char **arguments;
    struct arena *arena;   /* until the end of the program */
    struct config *config; /* after ctl_configure */
    struct ctl_database *database;
};

/* Says what went wrong on standard error, after the tool's name; CTL_FAILED. */
enum ctl_exit ctl_fail(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same for a wrong command line; CTL_MISUSED. */
enum ctl_exit ctl_misuse(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same for something that is not there; CTL_ABSENT. */
enum ctl_exit ctl_absent(const char *format, ...) PRINTF_LIKE(1, 2);

/*
 * Who runs this, for the audit trail: the user that logged in, where the system knows (loginuid of
 * the kernel's audit: su and sudo do not change it), or else the user of the process. Valid until
 * the next call.
 */
const char *ctl_operator(void);

/* Reads the configuration, once. CTL_DONE, or has complained. */
enum ctl_exit ctl_configure(struct ctl *ctl);

/*
 * Connects, once, and prepares the statements of the tool; ctl_configure first if need be.
 * CTL_DONE, or has complained.
 */
enum ctl_exit ctl_connect(struct ctl *ctl);
/* The same for the sender of mail, whose configuration is that of pool mail. */
enum ctl_exit ctl_connect_mail(struct ctl *ctl);
/* The same for the job that deletes what is over: pool prune. */
enum ctl_exit ctl_connect_prune(struct ctl *ctl);
/* The same for who only has something to record: the configuration of pool auth will do, too. */
enum ctl_exit ctl_connect_audit(struct ctl *ctl);

/* The same for who asks what only the role of pool auth may know. */
enum ctl_exit ctl_connect_auth(struct ctl *ctl);

/* A query to bind and to ask; owned by the arena. */
struct query *ctl_query(struct ctl *ctl, enum statement_id statement);

/* Sends it and waits for its outcome, which is returned and also in query->err. */
enum err ctl_ask(struct ctl *ctl, struct query *query);

/* Complains about an outcome. CTL_ABSENT for ERR_NOT_FOUND, or else CTL_FAILED. */
enum ctl_exit ctl_complain(enum err err);

/* What an operator did, or could not do, for the record. */
struct ctl_event {
    const char *action; /* a word of the vocabulary: docs/manual.md, Security events */
    const char *target_type;
    const struct uuid *target; /* NULL: it has no UUID */
    const char *outcome;       /* "success" or "failure" */
    const char *subject;       /* what has no UUID, such as the kid of a key; NULL: none */
    const char *event;         /* with authz_admin: what was looked at; NULL: none */
};

/*
 * Records it, with the operator and the reason given; for what no statement has recorded. CTL_DONE,
 * or has complained.
 */
enum ctl_exit ctl_audit(struct ctl *ctl, const struct ctl_event *event);

/*
 * Records that the operator looks at an account (NULL: at many), as authz_admin; `what` is
 * user_list, say. To be called before anything is shown, and what it does not record is not shown.
 */
enum ctl_exit ctl_audit_look(struct ctl *ctl, const char *what, const struct uuid *account);

/* Ends the conversation and frees the configuration; harmless when there is none. */
void ctl_close(struct ctl *ctl);

#endif
