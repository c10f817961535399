/*
 * program.c: the one place where a program is executed in place of this one. Which one is a matter
 * of the installation alone: a name from the table of petsctl.c, in the directory for such
 * programs.
 */
#include "ctl/program.h"

enum ctl_exit program_become(const char *name, char *const *arguments)
{
    char path[PATH_MAX];
    size_t count = 0;
    char **command;

    if (snprintf(path, sizeof path, PKGLIBEXECDIR "/%s", name) >= (int)sizeof path)
        return ctl_fail("%s: the path is too long", name);
    while (arguments[count] != NULL)
        count++;
    command = calloc(count + 2, sizeof *command);
    if (command == NULL)
        base_out_of_memory();
    command[0] = path;
    for (size_t i = 0; i < count; i++)
        command[i + 1] = arguments[i];
    execv(path, command);
    free(command);
    return ctl_fail("%s: %s", path, strerror(errno));
}
