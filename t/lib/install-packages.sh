#!/bin/sh
# Installs the Debian packages named as arguments and leaves nothing else behind; run as root (by
# common.sh, through sudo where need be). It is a program of its own because sudo can only run programs,
# and because the one delicate thing here must be undone by the process that did it: while packages are
# installed a policy-rc.d keeps them from starting services (a private PostgreSQL and nginx are all we
# want), and it goes away again however this ends. A machine that has a policy-rc.d keeps its own. Nor do services
# that came by this start at the next boot.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

policy=/usr/sbin/policy-rc.d
mark='made by the pets-api checkout while it installs packages'
ours=
lock_wait=${PETS_LOCK_WAIT:-300}

clean() {
  if [ -n "$ours" ]; then rm -f "$policy"; fi
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# One that an earlier run left when it was killed with no time to clean up is ours to remove too.
if [ -e "$policy" ] && grep -q "$mark" "$policy"; then
  rm -f "$policy"
fi
if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
  ours=yes
  printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" >"$policy"
  chmod 755 "$policy"
fi

# apt waits for the dpkg lock by itself, but for the lock of its lists only a loop does.
update() {
  waited=0
  until apt-get -o DPkg::Lock::Timeout="$lock_wait" update >"$1" 2>&1; do
    grep -q 'Could not get lock' "$1" || return 1
    [ "$waited" -lt "$lock_wait" ] || return 1
    sleep 2
    waited=$((waited + 2))
  done
}

log=$(mktemp)
trap 'clean; rm -f "$log"' EXIT
if update "$log"; then
  cat "$log"
else
  cat "$log"
  echo "apt-get update failed; trying with the package lists that are here" >&2
fi
units() { find /lib/systemd/system /etc/systemd/system -maxdepth 1 -name '*.service' -o -name '*.socket' -o -name '*.timer' | sed 's,.*/,,' | sort -u; }
before=$(units 2>/dev/null || :)
apt-get -o DPkg::Lock::Timeout="$lock_wait" -o Dpkg::Use-Pty=0 -y --no-install-recommends --no-remove install "$@"
for unit in $(units 2>/dev/null || :); do
  if ! echo "$before" | grep -qxF "$unit" && command -v systemctl >/dev/null; then
    systemctl --quiet disable "$unit" 2>/dev/null || :
  fi
done
