# What bash completes behind pptpctl(1). The grammar is that of pptpd_manager/ctl/arguments.py.

_pptpctl() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' options='-h --help'
	local -i i at=0 tunnels=0
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} != -* ]]; then
			command=${COMP_WORDS[i]} at=i
			break
		fi
	done
	COMPREPLY=()
	case $before in
	-n | --lines | --since | --timeout | =) return ;;
	--root)
		compopt -o dirnames
		return
		;;
	-o | --output | --into)
		compopt -o default
		return
		;;
	esac
	case $command in
	'')
		options+=' --version --json'
		[[ $word == -* ]] || options='list status monitor logs metrics up down reconnect reload enable disable check doctor import'
		;;
	list) options+=' --json --names' ;;
	status) options+=' --json -n --lines' tunnels=1 ;;
	monitor | doctor) options+=' --json' tunnels=1 ;;
	logs) options+=' --json -f --follow -n --lines -b --boot --since' tunnels=1 ;;
	metrics) options+=' -o --output' ;;
	up | down | reconnect) options+=' --no-wait --timeout' tunnels=1 ;;
	enable | disable) options+=' --now' tunnels=1 ;;
	reload) ;;
	check) options+=' --json' ;;
	import)
		options+=' --root --write --into'
		((COMP_CWORD > at + 1)) || [[ $word == -* ]] || options='peers rc.d ip-up networkmanager openwrt'
		;;
	*) return ;;
	esac
	if [[ $word == -* || -z $command || $options == peers* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
	elif ((tunnels)); then
		mapfile -t COMPREPLY < <(compgen -W "$(timeout 2 pptpctl list --names 2>/dev/null)" -- "$word")
	elif [[ $command == check || $command == import ]]; then
		compopt -o default
	fi
}

complete -F _pptpctl pptpctl
