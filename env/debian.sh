#!/bin/sh
# Install the Debian packages that some tests use. What is missing afterwards only makes those tests skip.
set -eu
packages="tmux bubblewrap"
missing=""
for package in $packages; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "no apt-get here: tests that need$missing will skip"
  exit 0
fi
SUDO=""
[ "$(id -u)" = 0 ] || SUDO="sudo"
$SUDO apt-get update -q && $SUDO apt-get install -q -y --no-install-recommends $missing
