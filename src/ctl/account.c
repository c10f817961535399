/*
 * account.c: looking an account up.
 */
#include "ctl/account.h"

enum ctl_exit account_find(struct ctl *ctl, const char *who, struct account *account)
{
    struct query *query;
    struct uuid id;
    bool by_id = uuid_parse(who, strlen(who), &id);
    enum ctl_exit code = ctl_connect(ctl);

    if (code != CTL_DONE)
        return code;
    query = ctl_query(ctl, STATEMENT_ACCOUNT_FIND);
    query_uuid(query, by_id ? &id : NULL);
    query_string(query, by_id ? NULL : who);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return ctl_complain(query->err);
    if (query->rows.count == 0)
        return ctl_absent("there is no such account");
    account->found = query;
    account->id = *rows_uuid(&query->rows, 0, 0);
    return CTL_DONE;
}
