#!/bin/sh
# Installs Hither in a dev container (https://containers.dev/implementors/features/). It runs as root while the image is
# built, with the options as variables in capitals.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
BINARY=${BINARY:-}
SHA256=${SHA256:-}
GOPROXY_OPTION=${GOPROXY:-true} # the option goproxy; not a value for Go

fail() {
	echo "hither: $*" >&2
	exit 1
}

case $BINARY in
"")
	[ -f "$here/hither" ] || fail "there is no program beside install.sh: put it there, or give the options binary and sha256"
	program=$here/hither
	;;
https://*)
	[ -n "$SHA256" ] || fail "the option binary needs the option sha256, so that nobody else's program is run"
	program=$(mktemp)
	if command -v curl >/dev/null; then
		curl --fail --silent --show-error --location --proto '=https' --output "$program" "$BINARY"
	elif command -v wget >/dev/null; then
		wget -q -O "$program" "$BINARY"
	else
		fail "neither curl nor wget is here to fetch $BINARY: install one, or put the program beside install.sh"
	fi
	echo "$SHA256  $program" | sha256sum -c - >/dev/null || fail "$BINARY is not the program of that SHA-256: compare both"
	;;
*) fail "the option binary must begin with https://" ;;
esac

install -D -m 0755 "$program" /usr/local/bin/hither
user=${_REMOTE_USER:-root}
install -d -m 0700 -o "$user" /var/lib/hither

# The container's entry point calls this one, as root or as the container's user, before its own command.
mkdir -p /usr/local/share/hither
cat >/usr/local/share/hither/start.sh <<START
#!/bin/sh
# Starts Hither as $user, and then what was to be started.
export HITHER_STATE=/var/lib/hither
if [ "\$(id -u)" = 0 ] && [ "$user" != root ]; then
	chown "$user" /var/lib/hither
	su "$user" -s /bin/sh -c 'HITHER_STATE=/var/lib/hither nohup /usr/local/bin/hither up >/dev/null 2>&1 &'
else
	nohup /usr/local/bin/hither up >/dev/null 2>&1 &
fi
exec "\$@"
START
chmod 0755 /usr/local/share/hither/start.sh

{
	echo 'export HITHER_STATE=/var/lib/hither'
	if [ "$GOPROXY_OPTION" = true ]; then
		# The bar lets Go ask its usual list when Hither does not answer.
		# shellcheck disable=SC2016 # the shell that reads the file expands it
		echo 'export GOPROXY="http://127.0.0.1:7890/go|${GOPROXY:-https://proxy.golang.org,direct}"'
	fi
} >/etc/profile.d/hither.sh
chmod 0644 /etc/profile.d/hither.sh
