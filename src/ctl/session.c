/*
 * session.c: sessions. One that is revoked is refused from the next request on, in both pools.
 */
#include "ctl/session.h"

#include "ctl/account.h"
#include "ctl/output.h"

/* Those of session_find. */
static const struct output_column columns[] = {
    {"id", OUTPUT_UUID},
    {"created_at", OUTPUT_TIMESTAMP},
    {"last_used_at", OUTPUT_TIMESTAMP},
    {"expires_at", OUTPUT_TIMESTAMP},
    {"revoked_at", OUTPUT_TIMESTAMP},
    {"live", OUTPUT_BOOL},
    {"mfa", OUTPUT_BOOL},
    {"address", OUTPUT_TEXT},
    {"user_agent", OUTPUT_TEXT},
};

enum ctl_exit session_list(struct ctl *ctl)
{
    struct account account;
    struct output *output;
    struct query *query;
    enum ctl_exit code = account_find(ctl, ctl->arguments[0], &account);

    if (code != CTL_DONE)
        return code;
    query = ctl_query(ctl, STATEMENT_SESSION_FIND);
    query_uuid(query, &account.id);
    query_bool(query, ctl->option[CTL_ALL] != NULL);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return ctl_complain(query->err);
    code = ctl_audit_look(ctl, "session_list", &account.id);
    if (code != CTL_DONE)
        return code;
    output = output_new(ctl, columns, countof(columns));
    output_rows(output, &query->rows);
    output_list(output);
    return CTL_DONE;
}

enum ctl_exit session_revoke(struct ctl *ctl)
{
    const char *argument = ctl->arguments[0];
    struct query *query;
    struct uuid id;
    enum ctl_exit code;

    if (!uuid_parse(argument, strlen(argument), &id))
        return ctl_misuse("session revoke takes the id of a session");
    code = ctl_connect(ctl);
    if (code != CTL_DONE)
        return code;
    query = ctl_query(ctl, STATEMENT_SESSION_REVOKE);
    query_uuid(query, &id);
    query_string(query, ctl_operator());
    query_string(query, ctl->option[CTL_REASON]);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return ctl_complain(query->err);
    if (query->rows.count == 0)
        return ctl_absent("no session %s is live", argument);
    return CTL_DONE;
}
