#!/bin/sh
# Install the Debian packages that some tests use. What is missing afterwards only makes those tests skip.
set -eu
wanted="tmux bubblewrap"
if ! command -v apt-get >/dev/null; then
  echo "no apt-get here: tests that need $wanted or the engine will skip"
  exit 0
fi
SUDO=""
[ "$(id -u)" = 0 ] || SUDO="sudo"
installed() { dpkg -s "$1" >/dev/null 2>&1; }
offered() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# The engine is called luanti since Debian 13 and minetest before; one name of each part is enough.
engine() {
  for part in server data; do
    installed "luanti-$part" || installed "minetest-$part" && continue
    if offered "luanti-$part"; then echo "luanti-$part"
    elif offered "minetest-$part"; then echo "minetest-$part"
    fi
  done
}
missing() {
  for package in $wanted; do
    installed "$package" || echo "$package"
  done
  engine
}

had_engine=no
if installed luanti-server || installed minetest-server; then had_engine=yes; fi
# A freshly started machine may have no package lists yet, and then nothing is offered.
[ $had_engine = yes ] || $SUDO apt-get update -q || echo "no package lists: the engine may stay missing"
packages=$(missing)
[ -z "$packages" ] && exit 0
# shellcheck disable=SC2086
$SUDO apt-get install -q -y --no-install-recommends $packages
# The package starts a public server, which nothing here needs; one that was there before stays as it is.
if [ $had_engine = no ] && command -v systemctl >/dev/null; then
  for unit in luanti-server minetest-server; do $SUDO systemctl disable --now "$unit" >/dev/null 2>&1 || true; done
fi
