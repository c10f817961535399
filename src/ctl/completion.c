/*
 * completion.c: what changes from version to version is printed from the tables, as functions of
 * one case each; what walks along the command line is always the same, and knows no verb. The
 * script needs nothing but bash, asks nobody, and offers only what the parser would take: where a
 * word can be anything (an address, an id) it offers the options that are left.
 */
#include "ctl/completion.h"

#include "ctl/verbs.h"

/* Bash cuts words at @, = and : too, so the words of the line are put together again first. */
static const char walk[] =
    "_petsctl()\n"
    "{\n"
    "    local rest=${COMP_LINE:0:COMP_POINT} value='' actions='' options='' arguments='' "
    "offered=''\n"
    "    local -a words=()\n"
    "    local i word blanks first=1 argument=0\n"
    "    for ((i = 0; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        blanks=${rest%%[![:blank:]]*}\n"
    "        rest=${rest:${#blanks}}\n"
    "        word=${word:0:${#rest}}\n"
    "        rest=${rest:${#word}}\n"
    "        if [[ $i -eq 0 || -n $blanks ]]; then\n"
    "            words+=(\"$word\")\n"
    "        else\n"
    "            words[${#words[@]} - 1]+=$word\n"
    "        fi\n"
    "    done\n"
    "    local last=$((${#words[@]} - 1))\n"
    "    local current=${words[last]}\n"
    "    # What of it bash takes for a word of its own, and replaces.\n"
    "    local cut=$((${#current} - ${#word}))\n"
    "    COMPREPLY=()\n"
    "\n"
    "    _petsctl_takes \"${words[1]}\"\n"
    "    if [[ $last -ge 2 && -n $value ]]; then\n"
    "        first=3\n"
    "    fi\n"
    "    if [[ $last -eq 2 && $first -eq 3 ]]; then\n"
    "        _petsctl_offer \"$value\"\n"
    "        return\n"
    "    fi\n"
    "    if ((last == first)); then\n"
    "        [[ $first -eq 1 ]] && offered=\"$_petsctl_programs $_petsctl_flags\"\n"
    "        _petsctl_reply \"$_petsctl_objects $offered\"\n"
    "        return\n"
    "    fi\n"
    "    if ((last == first + 1)); then\n"
    "        _petsctl_actions \"${words[first]}\"\n"
    "        _petsctl_reply \"$actions\"\n"
    "        return\n"
    "    fi\n"
    "\n"
    "    _petsctl_verb \"${words[first]} ${words[first + 1]}\" || return\n"
    "    offered=\" $options \" value=''\n"
    "    for ((i = first + 2; i < last; i++)); do\n"
    "        if [[ ${words[i]} == -* && $offered == *\" ${words[i]} \"* ]]; then\n"
    "            offered=${offered/ ${words[i]} / }\n"
    "            _petsctl_takes \"${words[i]}\"\n"
    "            if [[ -n $value ]]; then\n"
    "                ((i + 1 == last)) && break\n"
    "                ((i++))\n"
    "            fi\n"
    "        else\n"
    "            ((argument++))\n"
    "        fi\n"
    "        value=''\n"
    "    done\n"
    "    if [[ -n $value ]]; then\n"
    "        _petsctl_offer \"$value\"\n"
    "    elif [[ $current == -* ]]; then\n"
    "        _petsctl_reply \"$offered\"\n"
    "    else\n"
    "        local -a names\n"
    "        read -ra names <<<\"$arguments\"\n"
    "        _petsctl_offer \"${names[argument]}\"\n"
    "        [[ ${#COMPREPLY[@]} -eq 0 && -z $current ]] && _petsctl_reply \"$offered\"\n"
    "    fi\n"
    "}\n"
    "\n"
    "# These of the words begin with the current one.\n"
    "_petsctl_reply()\n"
    "{\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$current\")\n"
    "    _petsctl_cut\n"
    "}\n"
    "\n"
    "# The same for files, or with -d for directories.\n"
    "_petsctl_files()\n"
    "{\n"
    "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$current\")\n"
    "    ((cut == 0)) && compopt -o filenames 2>/dev/null\n"
    "    _petsctl_cut\n"
    "}\n"
    "\n"
    "_petsctl_cut()\n"
    "{\n"
    "    local i\n"
    "    for i in \"${!COMPREPLY[@]}\"; do\n"
    "        COMPREPLY[i]=${COMPREPLY[i]:cut}\n"
    "    done\n"
    "}\n"
    "\n"
    "complete -F _petsctl petsctl\n";

/* Each of the words once, with a blank between them. */
static void print_objects(void)
{
    const char *last = "";

    for (size_t i = 0; i < verbs_count; i++) {
        if (strcmp(verbs_list[i].object, last) != 0)
            printf("%s%s", i == 0 ? "" : " ", verbs_list[i].object);
        last = verbs_list[i].object;
    }
}

/* The rows of an object stand together. */
static void print_actions(void)
{
    const char *last = "";

    for (size_t i = 0; i < verbs_count; i++) {
        const struct verb *verb = &verbs_list[i];

        if (strcmp(verb->object, last) != 0)
            printf("%s    %s) actions='%s", i == 0 ? "" : "' ;;\n", verb->object, verb->action);
        else
            printf(" %s", verb->action);
        last = verb->object;
    }
    puts("' ;;\n    *) return 1 ;;");
}

static void print_verb(const struct verb *verb)
{
    const char *blank = "";

    printf("    '%s %s') options='", verb->object, verb->action);
    for (unsigned i = 0; i < CTL_OPTIONS; i++) {
        if ((verb->takes & 1U << i) == 0)
            continue;
        printf("%s%s", blank, verbs_options[i].name);
        blank = " ";
    }
    printf("' arguments='");
    for (int i = 0; i < VERBS_ARGUMENTS && verb->arguments[i] != NULL; i++)
        printf("%s%s", i == 0 ? "" : " ", verb->arguments[i]);
    puts("' ;;");
}

static void print_takes(const char *name, const char *value)
{
    if (value != NULL)
        printf("    %s) value=%s ;;\n", name, value);
}

static void print_value(const struct verb_value *value)
{
    static const char *const of_kind[] = {
        [VERB_VALUE_FILE] = "_petsctl_files -f", [VERB_VALUE_DIRECTORY] = "_petsctl_files -d"};

    if (value->kind == VERB_VALUE_WORDS)
        printf("    %s) _petsctl_reply '%s' ;;\n", value->name, value->words);
    else
        printf("    %s) %s ;;\n", value->name, of_kind[value->kind]);
}

static void print_flags(void)
{
    const char *blank = "";

    for (size_t i = 0; i < verbs_flags_count; i++) {
        printf("%s%s", blank, verbs_flags[i].name);
        if (verbs_flags[i].other != NULL)
            printf(" %s", verbs_flags[i].other);
        blank = " ";
    }
}

static void begin_case(const char *function, const char *purpose)
{
    printf("# %s\n%s()\n{\n    case $1 in\n", purpose, function);
}

static void end_case(void)
{
    puts("    esac\n}\n");
}

enum ctl_exit completion_print(void)
{
    puts("# Completion of petsctl for bash, made by petsctl --completion.\n"
         "# shellcheck shell=bash disable=SC2034\n");
    printf("_petsctl_objects='");
    print_objects();
    printf("'\n_petsctl_programs='");
    for (size_t i = 0; i < verbs_programs_count; i++)
        printf("%s%s", i == 0 ? "" : " ", verbs_programs[i].name);
    printf("'\n_petsctl_flags='");
    print_flags();
    puts("'\n");
    begin_case("_petsctl_actions", "What can be done with it.");
    print_actions();
    end_case();
    begin_case("_petsctl_verb", "Which options a verb takes, and which arguments.");
    for (size_t i = 0; i < verbs_count; i++)
        print_verb(&verbs_list[i]);
    puts("    *) return 1 ;;");
    end_case();
    begin_case("_petsctl_takes", "The name of what an option takes.");
    for (size_t i = 0; i < verbs_flags_count; i++)
        print_takes(verbs_flags[i].name, verbs_flags[i].value);
    for (size_t i = 0; i < CTL_OPTIONS; i++)
        print_takes(verbs_options[i].name, verbs_options[i].value);
    puts("    *) value='' ;;");
    end_case();
    begin_case("_petsctl_offer", "What there is to choose from for what has this name.");
    for (size_t i = 0; i < verbs_values_count; i++)
        print_value(&verbs_values[i]);
    end_case();
    fputs(walk, stdout);
    return CTL_DONE;
}
