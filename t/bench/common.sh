# shellcheck shell=sh
# What t/bench/run, t/bench/count and t/bench/flood share: they prepare (packages, a release build, the two little programs) and
# then hand over to Perl as the unprivileged runner. Sourced, not run. The caller has a
# function usage.

case $0 in
  */*) cd "${0%/*}/../.." || exit ;;
  *) cd "$(dirname "$(command -v -- "$0")")/../.." || exit ;;
esac
root=$(pwd -P)
name=${0##*/}
PETS_SELF=$root/t/bench/$name
# shellcheck source=t/lib/common.sh
. ./t/lib/common.sh

bench() { # ARGUMENTS of the calling script...
  build=
  for argument in "$@"; do
    case $argument in
      -h | --help)
        usage
        exit 0
        ;;
      -*) ;;
      *) build=$argument ;;
    esac
  done

  choose_runner
  make_var
  install_packages build run bench
  enter_reachable "$@"

  exec 9>"$var/bench.lock"
  flock -n 9 || die "the benchmark of this checkout is running already" "One at a time, or they would measure each other."
  if [ -z "$build" ]; then
    step build "a release, and the programs of the benchmark"
    bootstrap
    configure_in build
    make_in build bench-programs
    done_step
    build=$var/build
  elif [ ! -x "$build/t/bench/echo" ]; then
    step build "the programs of the benchmark"
    quietly make-bench make -C "$build" bench-programs
    done_step
  fi

  # A copy, for the runner may not be able to reach the build, and a build may go on meanwhile.
  work=$(as_runner mktemp -d "$var/bench.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  as_runner mkdir "$work/bin"
  for program in petsd petsctl t/bench/echo t/bench/tokens common-passwords openapi.json; do
    install -m 755 "$build/$program" "$work/bin/" || die "$build has no $program" "It must be a finished build: make all bench-programs"
  done

  # A terminal sends its signals to all of us; one that is sent to this process alone is passed on.
  status=0
  (
    PETS_BUILD=$work/bin PETS_TEST_DIR=$work
    export PETS_BUILD PETS_TEST_DIR
    exec_as_runner perl -I "$root/t/lib" -I "$root/t/bench/lib" "$root/t/bench/$name.pl" "$@"
  ) 9>&- &
  child=$!
  trap 'kill -TERM "$child" 2>/dev/null' INT TERM HUP
  while :; do
    wait "$child" && status=0 || status=$?
    kill -0 "$child" 2>/dev/null || break
  done
  [ "$status" -eq 0 ] || echo "$name: ended with status $status" >&2
  exit "$status"
}
