# shellcheck shell=sh
# What ./quickstart and ./t/run share: who runs what, packages, and building. Sourced, not run.
#
# The idea: a checkout is enough. Whatever is made lies in var/ below it, belongs to one unprivileged user
# (the "runner"), and can be thrown away whole. Root is used for packages only, and because PostgreSQL and
# the pools must not run as root, root hands everything else to the runner: to the checkout's owner, or to
# nobody when that is root itself.
#
# The caller sets PETS_SELF (its path) and root (the checkout's directory) and has changed there.

umask 022
export LC_ALL=C.UTF-8
unset CDPATH PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGPASSWORD PGPASSFILE PGSERVICE PGOPTIONS PGSSLMODE \
  MAKEFLAGS MAKELEVEL PERL5OPT

# git refuses a checkout of somebody else's, which is what the runner sees when root has cloned it.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

# Where the checkout is for people; root may see it elsewhere (see enter_reachable).
PETS_SHOWN=${PETS_SHOWN:-$root}
export PETS_SHOWN

bold='' dim='' red='' plain=''
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$(printf '\033[1m') dim=$(printf '\033[2m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
fi

die() { # MESSAGE...: says what is wrong, a line an argument, and ends
  step_open=${step_open:-}
  [ -z "$step_open" ] || printf '%sfailed%s\n' "$red" "$plain"
  printf '\n%s%s: %s%s\n' "$red" "${PETS_SELF##*/}" "$1" "$plain" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

shown() { # PATH: the same path as a person outside finds it
  case $1 in
    "$root"/*) printf '%s/%s' "$PETS_SHOWN" "${1#"$root"/}" ;;
    *) printf '%s' "$1" ;;
  esac
}

now() { date +%s%N; }

step() { # NAME WHAT: starts the line of a step
  step_open=yes
  step_start=$(now)
  printf '  %s%-12s%s %-44s ' "$bold" "$1" "$plain" "$2"
}

done_step() { # ends the line with the time it took
  step_open=
  tenths=$((($(now) - step_start) / 100000000))
  printf '%s%4d.%d s%s\n' "$dim" $((tenths / 10)) $((tenths % 10)) "$plain"
}

quietly() { # LOG COMMAND...: runs it with its output in var/log/LOG.log, and shows the end of that when it fails
  quiet_log=$var/log/$1.log
  shift
  if "$@" >"$quiet_log" 2>&1 </dev/null; then return 0; fi
  printf '%sfailed%s\n\n' "$red" "$plain"
  step_open=
  tail -n 40 "$quiet_log" | sed 's/^/  | /'
  die "this failed: $*" "the whole log: $(shown "$quiet_log")"
}

# --- who runs what -----------------------------------------------------------------------------------

choose_runner() { # sets runner_uid, runner_gid and runner_name
  runner_uid=$(id -u) runner_gid=$(id -g)
  runner_name=$(id -un 2>/dev/null || echo "user $runner_uid")
  [ "$runner_uid" -eq 0 ] || return 0
  runner_uid=$(stat -c %u .)
  entry=$(getent passwd "$runner_uid" || :)
  if [ "$runner_uid" -eq 0 ] || [ -z "$entry" ]; then
    entry=$(getent passwd nobody) || die "there is no user nobody to run the service as"
  fi
  runner_name=${entry%%:*}
  runner_uid=$(id -u "$runner_name") runner_gid=$(id -g "$runner_name")
}

as_runner() { # COMMAND...: runs it as the runner
  if [ "$(id -u)" -ne 0 ]; then
    "$@"
  else
    setpriv --reuid "$runner_uid" --regid "$runner_gid" --clear-groups \
      env HOME="$var/home" USER="$runner_name" LOGNAME="$runner_name" "$@"
  fi
}

exec_as_runner() { # COMMAND...: becomes it, as the runner
  if [ "$(id -u)" -ne 0 ]; then
    exec "$@"
  fi
  exec setpriv --reuid "$runner_uid" --regid "$runner_gid" --clear-groups \
    env HOME="$var/home" USER="$runner_name" LOGNAME="$runner_name" "$@"
}

check_readable() {
  as_runner test -r "$root/t/lib/common.sh" -a -x "$root/t/lib" ||
    die "$runner_name, who is to run it, cannot read the files of the checkout" \
      "Let everybody read them: chmod -R a+rX '$PETS_SHOWN'"
}

# The runner must be able to walk to the checkout, and automake refuses a path with a blank in it. Both are
# mended by starting anew in a mount namespace of our own where the checkout lies at /mnt: nobody else sees
# it, and it is gone with the last process.
enter_reachable() { # ARGUMENTS of the calling script...
  if [ -n "${PETS_BOUND:-}" ]; then
    check_readable
    return
  fi
  problem=
  case $root in
    *[!A-Za-z0-9_./+,@%=:-]*) problem="its path has characters that make cannot handle" ;;
  esac
  # A line of a configuration file has at most 200 characters, and holds paths below the checkout.
  [ "${#root}" -le 70 ] || problem="its path is too long"
  if [ "$(id -u)" -eq 0 ] &&
    ! setpriv --reuid "$runner_uid" --regid "$runner_gid" --clear-groups test -x "$root/t/run" 2>/dev/null; then
    problem="$runner_name, who is to run it, cannot reach it"
  fi
  if [ -z "$problem" ]; then
    check_readable
    return
  fi

  export PETS_BOUND=yes
  unset PETS_SRC PETS_VAR
  # shellcheck disable=SC2016  # expanded by the sh that it is given to
  enter='mount --rbind "$1" /mnt && cd /mnt && shift && exec "$@"'
  self=./${PETS_SELF#"$root"/}
  if [ "$(id -u)" -eq 0 ]; then
    set -- "$self" "$@"
    namespace='unshare --mount --propagation private'
  else
    set -- setpriv --inh-caps=-all --ambient-caps=-all "$self" "$@"
    namespace='unshare --map-current-user --keep-caps --mount --propagation private'
  fi
  $namespace sh -c "$enter" - "$root" true 2>/dev/null ||
    die "the checkout is at $root: $problem" \
      "Move it to a plain place that every user can reach, such as /srv/pets-api."
  # shellcheck disable=SC2086
  exec $namespace sh -c "$enter" - "$root" "$@"
}

make_var() { # makes var/ and its folders for the runner
  var=${PETS_VAR:-$root/var}
  export PETS_SRC="$root" PETS_VAR="$var"
  if [ "$(id -u)" -eq 0 ]; then
    mkdir -p "$var/log" "$var/home"
    if [ "$(stat -c %u "$var") $(stat -c %u "$var/log")" != "$runner_uid $runner_uid" ]; then
      chown -Rh "$runner_uid:$runner_gid" "$var"
    fi
  else
    if [ -e "$var" ] && { [ ! -O "$var" ] || [ ! -w "$var" ]; }; then
      die "var/ belongs to $(stat -c %U "$var"), not to $runner_name: it was made by another user" \
        "Remove it (it holds only what these scripts made): sudo rm -rf '$(shown "$var")'"
    fi
    mkdir -p "$var/log" "$var/home" 2>/dev/null || die "cannot write to the checkout: $PETS_SHOWN"
  fi
}

# --- packages ----------------------------------------------------------------------------------------

missing_packages() { # GROUP...: prints the packages of these groups that are not installed
  for group in "$@"; do
    sed -n "s/^$group  *//p" t/packages
  done | while read -r package command; do
    if [ -n "$command" ] && command -v "$command" >/dev/null; then continue; fi
    case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
      ?i*) ;;
      *) echo "$package" ;;
    esac
  done
}

install_packages() { # GROUP...
  [ -z "${PETS_BOUND:-}" ] || return 0
  command -v dpkg-query >/dev/null || die "this is not Debian: packages cannot be installed (see t/packages)"
  missing=$(missing_packages "$@")
  if [ -z "$missing" ]; then
    step packages "all are here"
    done_step
    return
  fi
  count=$(echo "$missing" | wc -l)
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "$count packages are missing, and there is no sudo to install them with" \
        "As root: apt-get install $(echo "$missing" | tr '\n' ' ')"
    as_root=sudo
    if ! sudo -n true 2>/dev/null; then
      [ -t 0 ] || die "$count packages are missing, and sudo wants a password that nobody is here to type" \
        "First: sudo apt-get install $(echo "$missing" | tr '\n' ' ')"
      echo "  $count packages are to be installed; sudo may ask for your password."
      sudo -v || die "sudo does not let you install packages" \
        "As root: apt-get install $(echo "$missing" | tr '\n' ' ')"
    fi
  fi
  step packages "$count to install"
  # shellcheck disable=SC2086
  quietly packages $as_root sh "$root/t/lib/install-packages.sh" $missing
  missing=$(missing_packages "$@")
  [ -z "$missing" ] || die "these packages are still missing: $(echo "$missing" | tr '\n' ' ')" \
    "the whole log: $(shown "$var/log/packages.log")"
  done_step
}

# --- building ----------------------------------------------------------------------------------------

# configure and the Makefile.in files are made in the checkout, by whoever may write there.
bootstrap() {
  stamp=$var/bootstrap.stamp
  if [ -e "$stamp" ] && [ -x configure ] && [ -e Makefile.in ] && [ -z "$(find . \( -path ./var -o -path ./.git \) -prune -o \
    \( -name configure.ac -o -name Makefile.am -o -name '*.mk' \) -newer "$stamp" -print)" ]; then
    return 0
  fi
  [ ! -e config.status ] || die "the checkout has been configured in place; only builds outside it mix with this one" \
    "First: make distclean"
  if [ -w "$root" ]; then
    quietly autoreconf flock "$var/bootstrap.lock" autoreconf -fi
  else
    die "cannot write to the checkout: $PETS_SHOWN"
  fi
  as_runner touch "$stamp"
}

# What compilers leave lying about for a moment lies here, and not where another run would meet it.
build_as_runner() { # COMMAND...
  as_runner mkdir -p "$var/tmp"
  as_runner env TMPDIR="$var/tmp" "$@"
}

configure_in() { # DIR ARGUMENTS...: configures there unless that was done with the same arguments already
  dir=$var/$1
  shift
  as_runner mkdir -p "$dir"
  if [ ! -e "$dir/Makefile" ] || [ "$(cat "$dir/.configured" 2>/dev/null)" != "$root $*" ]; then
    quietly "configure-${dir##*/}" build_as_runner env -C "$dir" ../../configure "$@"
    echo "$root $*" | as_runner tee "$dir/.configured" >/dev/null
  fi
}

make_in() { # DIR TARGETS...
  dir=$1
  shift
  quietly "make-$dir" build_as_runner make -C "$var/$dir" -j "$(nproc)" "$@"
}
