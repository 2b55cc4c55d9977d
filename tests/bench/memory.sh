#!/bin/sh
# memory.sh DIRECTORY ROUNDS THEN...: reads the memory of each way with 0, 1, 10 and 100 tunnels, then becomes THEN.
#
# In sh, and with nothing else running: a Python beside it would share its pages with the manager, and a manager's share
# of them (PSS) would look smaller. memory.py has made the files that this needs. Each reading is a file
# DIRECTORY/WAY.TUNNELS.ROUND: a line PID PROGRAM PSS DIRTY for each process, kB.
set -eu
directory=$1 rounds=$2
shift 2
SETTLED=5

# reading NAME PID...: what smaps_rollup has of these processes.
reading() {
	to=$directory/$1
	shift
	for pid; do
		read -r program <"/proc/$pid/comm"
		awk -v who="$pid $program" '
			/^Pss:/ { pss = $2 }
			/^Private_Dirty:/ { dirty = $2 }
			END { print who, pss, dirty }' "/proc/$pid/smaps_rollup"
	done >"$to"
	echo "${to##*/}: $(awk '{ kB += $3 } END { print kB " kB, " NR " processes" }' "$to")"
}

# names COUNT: of the tunnels.
names() {
	number=1
	while [ "$number" -le "$1" ]; do
		printf 't%03d ' "$number"
		number=$((number + 1))
	done
}

# settled COUNT PREFIX: returns when so many interfaces of that name are up, and what comes with that is over.
settled() {
	patiently 60 up "$1" "$2" || echo "not all of $1 are up: $2"
	sleep "$SETTLED"
}

# up COUNT PREFIX: whether so many interfaces of that name have an address.
up() {
	[ "$(ip -o -4 address show up | awk '{ print $2 }' | grep -c "^$2")" -ge "$1" ]
}

# patiently SECONDS COMMAND...: until it succeeds; false when it does not.
patiently() {
	tries=$1
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 1
	done
}

# left WAY: returns when nothing of it is left, or says so.
left() {
	patiently 60 gone || echo "something is left of $1"
}

gone() {
	! pgrep -x 'pptp(gw|cm)?' >/dev/null && ! ip -o link | grep -qE ' (ppp[0-9]|pptp-)'
}

# in_unit UNIT...: the processes of systemd's units.
in_unit() {
	for unit; do
		find "/sys/fs/cgroup$(systemctl show -P ControlGroup "$unit")" -name cgroup.procs -exec cat {} +
	done
}

ours() { # COUNT ROUND
	cp "$directory/ours.yaml.$1" /etc/pptp-manager.yaml
	systemctl restart pptp-manager
	units=$(for name in $(names "$1"); do echo "pptp@$name.service"; done)
	# shellcheck disable=SC2086 # a list of words
	[ -z "$units" ] || systemctl start $units
	settled "$1" pptp-
	manager=$(systemctl show -P MainPID pptp-manager)
	# shellcheck disable=SC2046 # lists of words
	reading "ours.$1.$2" "$manager" $([ -z "$units" ] || in_unit system-pptp.slice)
	systemctl stop 'pptp@*.service'
	systemctl stop pptp-manager
	left ours
}

pon_() { # COUNT ROUND
	for name in $(names "$1"); do
		pon "$name" updetach persist >/dev/null 2>&1 || echo "pon $name: $?"
	done
	settled "$1" ppp
	# Of this machine's network, and not the server's.
	mine=
	for pid in $(pgrep -x 'pppd|pptp.*|sh'); do
		[ "$(readlink "/proc/$pid/ns/net")" = "$(readlink /proc/self/ns/net)" ] || continue
		# pon's shell, and no other.
		[ "$(cat "/proc/$pid/comm")" != sh ] || grep -q '^pptp ' <<-END || continue
			$(tr '\0' '\n' <"/proc/$pid/cmdline")
		END
		mine="$mine $pid"
	done
	# shellcheck disable=SC2086 # a list of words
	reading "pon.$1.$2" $mine
	poff -a >/dev/null 2>&1 || true
	left pon
}

nm() { # COUNT ROUND
	systemctl start NetworkManager
	nm-online --wait-for-startup --quiet
	nmcli connection up uplink >/dev/null
	came=0
	for name in $(names "$1"); do
		if nmcli --wait 60 connection up "$name" >/dev/null 2>&1; then came=$((came + 1)); else echo "nm: $name does not come up"; fi
		[ "$came" -gt 0 ] || [ "$name" != t003 ] || break
	done
	settled "$came" ppp
	# shellcheck disable=SC2046 # a list of words
	reading "nm.$1.$2" $(in_unit NetworkManager.service)
	echo "$came" >"$directory/nm.came.$1.$2"
	systemctl stop NetworkManager
	left nm
	ip -4 address flush dev uplink
	ip address add 192.0.2.2/24 dev uplink
	ip route add default via 192.0.2.1 dev uplink
}

# A Python that has loaded GLib and its D-Bus, and does nothing.
floor() { # ROUND
	python3 -I -c 'import time; from gi.repository import Gio; time.sleep(60)' &
	sleep "$SETTLED"
	reading "floor.0.$1" "$!"
	kill "$!"
	wait "$!" || true
}

round=1
while [ "$round" -le "$rounds" ]; do
	floor "$round"
	for count in 0 1 10; do
		ours "$count" "$round"
		[ "$count" = 0 ] || pon_ "$count" "$round"
		nm "$count" "$round"
	done
	round=$((round + 1))
done
for way in ours pon_ nm; do
	"$way" 100 1 || echo "$way: not with 100"
done
exec "$@"
