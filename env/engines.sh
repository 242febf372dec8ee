#!/bin/sh
# Put engines of other Debian releases into folders beside the installed one, so that tests can judge under each.
# sh env/engines.sh [RELEASE ...]: default bookworm (5.6.1) and trixie (5.10.0), without the release this machine runs.
# What is missing afterwards only makes those tests skip.
set -eu
place="${XDG_CACHE_HOME:-$HOME/.cache}/luagate/engines"
own=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}" || true)
[ $# -gt 0 ] || set -- bookworm trixie
if ! command -v apt-get >/dev/null; then
  echo "no apt-get here: tests under other engines will skip"
  exit 0
fi
SUDO=""
[ "$(id -u)" = 0 ] || SUDO="sudo"
command -v debootstrap >/dev/null || $SUDO apt-get install -q -y --no-install-recommends debootstrap ||
  { echo "debootstrap is not to be had: tests under other engines will skip"; exit 0; }
mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
  sed -n 's|^Debian \(http[^ ]*/debian/\{0,1\}\)$|\1|p' | head -n 1)
[ -n "$mirror" ] || { echo "apt names no Debian mirror: tests under other engines will skip"; exit 0; }
for release in "$@"; do
  folder="$place/$release"
  if [ "$release" = "$own" ] || [ -d "$folder" ]; then continue; fi
  server=luanti
  [ "$release" != bookworm ] || server=minetest
  script="/usr/share/debootstrap/scripts/$release"
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  mkdir -p "$place"
  $SUDO rm -rf "$folder.part"
  if $SUDO debootstrap --variant=minbase --include="$server-server,$server-data" \
    "$release" "$folder.part" "$mirror" "$script" >"$folder.log" 2>&1; then
    $SUDO rm -rf "$folder.part/var/cache/apt/archives"
    $SUDO mv "$folder.part" "$folder"
    echo "engine of $release: $folder"
  else
    echo "the engine of $release is not to be had (see $folder.log): tests under it will skip"
    $SUDO rm -rf "$folder.part"
  fi
done
