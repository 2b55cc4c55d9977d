# What fish completes behind pptpctl(1). The grammar is that of pptpd_manager/ctl/arguments.py.

function __pptpctl_tunnels
    timeout 2 pptpctl list --names 2>/dev/null
end

set -l commands list status monitor logs metrics up down reconnect reload enable disable check doctor import
set -l systems peers rc.d ip-up networkmanager openwrt
set -l none "not __fish_seen_subcommand_from $commands"

complete -c pptpctl -f
complete -c pptpctl -s h -l help -d 'show the help'
complete -c pptpctl -n $none -l version -d 'show the version'
complete -c pptpctl -n $none -l json -d 'as JSON'

complete -c pptpctl -n $none -a list -d 'show the tunnels, a line each (the default)'
complete -c pptpctl -n $none -a status -d 'show everything known of tunnels, with the last lines of their logs'
complete -c pptpctl -n $none -a monitor -d 'show what happens to the tunnels, as it happens'
complete -c pptpctl -n $none -a logs -d 'show what pppd, pptp and the manager logged of a tunnel'
complete -c pptpctl -n $none -a metrics -d 'show what there is to measure of the tunnels, for Prometheus'
complete -c pptpctl -n $none -a up -d 'connect tunnels, and stay connected'
complete -c pptpctl -n $none -a down -d 'disconnect tunnels'
complete -c pptpctl -n $none -a reconnect -d 'hang up and dial anew'
complete -c pptpctl -n $none -a reload -d 'have the changed configuration used; only the tunnels that it changes are touched'
complete -c pptpctl -n $none -a enable -d 'connect tunnels at every boot'
complete -c pptpctl -n $none -a disable -d 'no longer connect tunnels at boot'
complete -c pptpctl -n $none -a check -d 'show all mistakes in the configuration'
complete -c pptpctl -n $none -a doctor -d 'find what stands in the way of a tunnel'
complete -c pptpctl -n $none -a import -d "write the configuration that does what another system's files say"

complete -c pptpctl -n '__fish_seen_subcommand_from status monitor logs up down reconnect enable disable doctor' -a '(__pptpctl_tunnels)' -d tunnel
complete -c pptpctl -n '__fish_seen_subcommand_from list status monitor logs check doctor' -l json -d 'as JSON'
complete -c pptpctl -n '__fish_seen_subcommand_from list' -l names -d 'only the names'
complete -c pptpctl -n '__fish_seen_subcommand_from status logs' -s n -l lines -x -d 'of the log'
complete -c pptpctl -n '__fish_seen_subcommand_from logs' -s f -l follow -d 'and what they log from now on'
complete -c pptpctl -n '__fish_seen_subcommand_from logs' -s b -l boot -d 'only since the machine has been started'
complete -c pptpctl -n '__fish_seen_subcommand_from logs' -l since -x -d 'as in journalctl(1)'
complete -c pptpctl -n '__fish_seen_subcommand_from metrics' -s o -l output -r -F -d 'write it to this file'
complete -c pptpctl -n '__fish_seen_subcommand_from up down reconnect' -l no-wait -d 'do not wait until it is done'
complete -c pptpctl -n '__fish_seen_subcommand_from up down reconnect' -l timeout -x -d 'wait no longer; it goes on without'
complete -c pptpctl -n '__fish_seen_subcommand_from enable disable' -l now -d 'and now'
complete -c pptpctl -n '__fish_seen_subcommand_from check import' -F
complete -c pptpctl -n "__fish_seen_subcommand_from import; and not __fish_seen_subcommand_from $systems" -a "$systems"
complete -c pptpctl -n '__fish_seen_subcommand_from import' -l root -x -a '(__fish_complete_directories)' -d 'look there instead of in /'
complete -c pptpctl -n '__fish_seen_subcommand_from import' -l write -d 'add the tunnels to the configuration instead of printing them'
complete -c pptpctl -n '__fish_seen_subcommand_from import' -l into -r -F -d 'add the tunnels to this file'
