#!/bin/sh
# Installs RTJam for you alone, from the folder that this script is in; `./install.sh --uninstall` removes it again.
# It keeps your settings (~/.config/rtjam).
set -eu

from=$(cd "$(dirname "$0")" && pwd)
programs=$HOME/.local/bin
entries=${XDG_DATA_HOME:-$HOME/.local/share}/applications

uninstall() {
    rm -f "$programs/rtjam" "$programs/rtjam-server" "$HOME/.clap/RTJam.clap"
    rm -rf "$HOME/.vst3/RTJam.vst3"
    rm -f "$entries/rtjam.desktop" "$entries/rtjam-link.desktop"
}

case "${1:-}" in
--uninstall)
    uninstall
    echo "RTJam is removed."
    exit
    ;;
"") ;;
*)
    echo "Usage: ./install.sh [--uninstall]" >&2
    exit 2
    ;;
esac

# What runs now keeps its old file.
uninstall
mkdir -p "$programs" "$entries" "$HOME/.clap" "$HOME/.vst3"
cp "$from/rtjam" "$from/rtjam-server" "$programs/"
cp "$from/RTJam.clap" "$HOME/.clap/"
cp -R "$from/RTJam.vst3" "$HOME/.vst3/"
for entry in rtjam.desktop rtjam-link.desktop; do
    sed "s|^Exec=rtjam|Exec=\"$programs/rtjam\"|" "$from/$entry" >"$entries/$entry"
done
# Invite links open RTJam, also in browsers.
if command -v xdg-mime >/dev/null; then
    xdg-mime default rtjam-link.desktop x-scheme-handler/rtjam
fi

echo "Installed: $programs/rtjam, $programs/rtjam-server, ~/.clap/RTJam.clap, ~/.vst3/RTJam.vst3"
case ":$PATH:" in
*":$programs:"*) ;;
*) echo "$programs is not in your PATH: start $programs/rtjam, or add the folder." ;;
esac
