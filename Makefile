# make install     the manager and its units, on this machine or under DESTDIR
# make check       every test that needs no lab, and the linters; under a minute
# make test        all of it, with the lab: real systemd, pppd, pptp and pptpd
# make demo        the journey of a tunnel, to look at
# make bench       this project beside what people use today, in the lab: docs/benchmarks.md; hours. PART=NAME: a part of it
# make shell       a shell in the lab
# make picture     docs/pptpctl.svg, a terminal in the lab
# make dashboard   docs/dashboard.png, tunnels in the lab as Prometheus shows them; a quarter of an hour
# make docs        what is made from the program: pages in docs/, the manual in man/, the schema and the example
# make deb         build/pptp-manager_VERSION_all.deb, checked by lintian
# make release     whether all that names the version names the same, and what is not ready
# SUITE=trixie chooses Debian 13 for demo, bench and shell.

SUITE ?= bookworm
SUITES ?= bookworm trixie
PYTHON ?= /usr/bin/python3

prefix ?= /usr
sbindir ?= $(prefix)/sbin
sysconfdir ?= /etc
# Where other programs look for what is theirs, whatever our prefix is: D-Bus, polkit and NetworkManager not in /usr/local.
hostprefix ?= /usr
# The packages within pptpd_manager.
PACKAGES := $(patsubst pptpd_manager/%/__init__.py,%,$(wildcard pptpd_manager/*/__init__.py))
privatedir := $(prefix)/lib/pptp-manager
unitdir := $(prefix)/lib/systemd/system
datadir := $(prefix)/share/pptp-manager
docdir := $(prefix)/share/doc/pptp-manager
bashdir := $(prefix)/share/bash-completion/completions
# Where zsh looks: vendor-completions is Debian's and for packages alone.
zshdir ?= $(prefix)/share/zsh/$(if $(filter /usr,$(prefix)),vendor-completions,site-functions)
fishdir := $(prefix)/share/fish/vendor_completions.d
mandir ?= $(prefix)/share/man
# The manual pages, and where each is installed.
MANUAL := $(wildcard man/*.[158])
INSTALLED_MANUAL = $(foreach page,$(MANUAL),$(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
# Paths as our files have them, to what they are with this prefix.
# In the manual a hyphen is \-.
PATHS = -e 's|/usr/lib/pptp-manager|$(privatedir)|g' -e 's|/usr/sbin/pptp-manager|$(sbindir)/pptp-manager|g' \
	-e 's|/usr/share/doc/pptp\\\?-manager|$(docdir)|g' -e 's|/usr/share/pptp\\\?-manager|$(datadir)|g'
RELOCATE = grep -rlE '/usr/(lib|sbin|share|share/doc)/pptp\\?-manager' $(INSTALLED_MANUAL) \
	$(addprefix $(DESTDIR),$(privatedir) $(docdir) \
	$(sbindir)/pptp-manager $(prefix)/bin/pptpctl $(unitdir)/pptp* $(datadir) \
	$(hostprefix)/share/dbus-1/interfaces/org.pptpmanager1*.xml) | xargs -r sed -i $(PATHS)

.PHONY: install uninstall check test flood demo bench shell docs picture dashboard deb release clean

install:
	install -d $(addprefix $(DESTDIR)$(privatedir)/pptpd_manager/,dbus $(PACKAGES)) \
		$(DESTDIR)$(prefix)/bin $(DESTDIR)$(sbindir) $(DESTDIR)$(unitdir) \
		$(DESTDIR)$(hostprefix)/share/dbus-1/system-services $(DESTDIR)$(hostprefix)/share/dbus-1/system.d \
		$(DESTDIR)$(hostprefix)/share/dbus-1/interfaces $(DESTDIR)$(sysconfdir)/iproute2/rt_protos.d \
		$(DESTDIR)$(sysconfdir)/iproute2/rt_tables.d $(DESTDIR)$(hostprefix)/share/polkit-1/actions \
		$(DESTDIR)$(hostprefix)/lib/NetworkManager/conf.d $(DESTDIR)$(hostprefix)/lib/systemd/network \
		$(DESTDIR)$(hostprefix)/lib/systemd/networkd.conf.d $(DESTDIR)$(hostprefix)/lib/tmpfiles.d $(DESTDIR)$(docdir)/docs/benchmarks \
		$(DESTDIR)$(docdir)/examples $(DESTDIR)$(datadir) $(addprefix $(DESTDIR),$(bashdir) $(zshdir) $(fishdir)) \
		$(sort $(dir $(INSTALLED_MANUAL)))
	install -m 0644 *.md $(DESTDIR)$(docdir)
	install -m 0644 docs/*.md docs/*.svg docs/*.png $(DESTDIR)$(docdir)/docs
	install -m 0644 docs/benchmarks/* $(DESTDIR)$(docdir)/docs/benchmarks
	install -m 0644 etc/pptp-manager.example.yaml $(DESTDIR)$(docdir)/examples/pptp-manager.yaml
	install -m 0644 etc/prometheus/* $(DESTDIR)$(docdir)/examples
	cd packaging/ansible && find . -type f -exec install -D -m 0644 {} $(DESTDIR)$(docdir)/examples/ansible/{} \;
	install -m 0644 etc/pptp-manager.schema.json $(DESTDIR)$(datadir)
	for page in $(MANUAL); do install -m 0644 $$page $(DESTDIR)$(mandir)/man$${page##*.} || exit; done
	install -m 0644 pptpd_manager/*.py $(DESTDIR)$(privatedir)/pptpd_manager
	for package in $(PACKAGES); do \
		install -m 0644 pptpd_manager/$$package/*.py $(DESTDIR)$(privatedir)/pptpd_manager/$$package || exit; done
	install -m 0644 pptpd_manager/dbus/*.xml $(DESTDIR)$(privatedir)/pptpd_manager/dbus
	install -m 0644 pptpd_manager/dbus/*.xml $(DESTDIR)$(hostprefix)/share/dbus-1/interfaces
	install -m 0755 bin/pptp-manager $(DESTDIR)$(sbindir)/pptp-manager
	install -m 0755 bin/pptpctl $(DESTDIR)$(prefix)/bin/pptpctl
	install -m 0644 completions/pptpctl.bash $(DESTDIR)$(bashdir)/pptpctl
	install -m 0644 completions/_pptpctl $(DESTDIR)$(zshdir)/_pptpctl
	install -m 0644 completions/pptpctl.fish $(DESTDIR)$(fishdir)/pptpctl.fish
	install -m 0755 systemd/pptp-unit systemd/pptp-ip-up systemd/pptp-setup $(DESTDIR)$(privatedir)
	install -m 0644 systemd/pptp-manager.service systemd/pptp@.service systemd/pptp-guard.service \
		systemd/pptp-modules.service systemd/pptp-metrics.service systemd/pptp-metrics.timer $(DESTDIR)$(unitdir)
	install -m 0644 systemd/org.pptpmanager1.service $(DESTDIR)$(hostprefix)/share/dbus-1/system-services
	install -m 0644 systemd/org.pptpmanager1.conf $(DESTDIR)$(hostprefix)/share/dbus-1/system.d
	install -m 0644 etc/org.pptpmanager1.policy $(DESTDIR)$(hostprefix)/share/polkit-1/actions
	install -m 0644 etc/rt_protos.conf $(DESTDIR)$(sysconfdir)/iproute2/rt_protos.d/pptp-manager.conf
	install -m 0644 etc/rt_tables.conf $(DESTDIR)$(sysconfdir)/iproute2/rt_tables.d/pptp-manager.conf
	install -m 0644 etc/NetworkManager.conf $(DESTDIR)$(hostprefix)/lib/NetworkManager/conf.d/pptp-manager.conf
	install -m 0644 etc/networkd.network $(DESTDIR)$(hostprefix)/lib/systemd/network/00-pptp-manager.network
	install -m 0644 etc/networkd.conf $(DESTDIR)$(hostprefix)/lib/systemd/networkd.conf.d/pptp-manager.conf
	install -m 0644 etc/tmpfiles.conf $(DESTDIR)$(hostprefix)/lib/tmpfiles.d/pptp-manager.conf
	[ -e $(DESTDIR)$(sysconfdir)/pptp-manager.yaml ] || \
		sed $(PATHS) etc/pptp-manager.yaml | install -m 0600 /dev/stdin $(DESTDIR)$(sysconfdir)/pptp-manager.yaml
	[ "$(prefix):$(sbindir)" = /usr:/usr/sbin ] || $(RELOCATE)
	[ -n "$(DESTDIR)" ] || $(PYTHON) -m compileall -q $(privatedir)/pptpd_manager
	[ -n "$(DESTDIR)" ] || systemd/pptp-setup installed
	[ -n "$(DESTDIR)" ] || ! [ -d /run/systemd/system ] || systemctl try-restart pptp-manager.service

uninstall:
	[ -n "$(DESTDIR)" ] || systemd/pptp-setup removing
	-[ -n "$(DESTDIR)" ] || ! [ -d /run/systemd/system ] || systemctl disable pptp@.service pptp-manager.service
	rm -rf $(DESTDIR)$(privatedir) $(DESTDIR)$(docdir) $(DESTDIR)$(datadir)
	rm -f $(INSTALLED_MANUAL) $(DESTDIR)$(sbindir)/pptp-manager $(DESTDIR)$(prefix)/bin/pptpctl $(DESTDIR)$(unitdir)/pptp-manager.service \
		$(DESTDIR)$(unitdir)/pptp@.service $(DESTDIR)$(unitdir)/pptp-guard.service \
		$(DESTDIR)$(unitdir)/pptp-modules.service $(DESTDIR)$(unitdir)/pptp-metrics.service \
		$(DESTDIR)$(unitdir)/pptp-metrics.timer $(DESTDIR)$(hostprefix)/lib/tmpfiles.d/pptp-manager.conf \
		$(DESTDIR)$(hostprefix)/share/dbus-1/system-services/org.pptpmanager1.service \
		$(DESTDIR)$(hostprefix)/share/dbus-1/system.d/org.pptpmanager1.conf \
		$(DESTDIR)$(hostprefix)/share/dbus-1/interfaces/org.pptpmanager1.xml \
		$(DESTDIR)$(hostprefix)/share/dbus-1/interfaces/org.pptpmanager1.Tunnel.xml \
		$(DESTDIR)$(hostprefix)/share/polkit-1/actions/org.pptpmanager1.policy \
		$(DESTDIR)$(sysconfdir)/iproute2/rt_protos.d/pptp-manager.conf \
		$(DESTDIR)$(sysconfdir)/iproute2/rt_tables.d/pptp-manager.conf \
		$(DESTDIR)$(hostprefix)/lib/NetworkManager/conf.d/pptp-manager.conf \
		$(DESTDIR)$(hostprefix)/lib/systemd/network/00-pptp-manager.network \
		$(DESTDIR)$(hostprefix)/lib/systemd/networkd.conf.d/pptp-manager.conf \
		$(addprefix $(DESTDIR),$(bashdir)/pptpctl $(zshdir)/_pptpctl $(fishdir)/pptpctl.fish)
	[ -n "$(DESTDIR)" ] || ! [ -d /run/systemd/system ] || { systemctl daemon-reload; systemctl reload dbus.service; }

# Four at a time: the tests on a bus mostly wait. What takes longest first, so that nobody waits for it at the end.
check:
	tests/prepare
	.venv/bin/python -m pytest -q -n 4 tests/lint tests/netns tests/bus tests/unit

test: check flood
	tests/lab/run $(SUITES)

# Half a minute of a thousand calls a second, which the lab's machines cannot do; with the figures.
flood:
	PPTP_MANAGER_FLOOD=30 .venv/bin/python -m pytest -q -rP --show-capture=stdout tests/bus/test_hostile_callers.py \
		-k "flood or memory"

# The guest's output is a pipe, so whether there is a terminal to colour for is seen here. PPTP_DEMO_COLOR=1: also without.
demo:
	@if [ -z "$$NO_COLOR" ] && { [ -n "$$PPTP_DEMO_COLOR" ] || [ -t 1 ]; }; then color=--color; else color=; fi; \
		lab/lab run $(SUITE) --timeout 300 -- /usr/bin/python3 /lab/src/lab/demo.py $$color

bench:
	tests/packages python3-matplotlib
	tests/bench/run --suite $(SUITE) $(addprefix --part ,$(PART))
	$(PYTHON) tests/bench/report.py build/bench docs

shell:
	lab/lab shell $(SUITE)

picture:
	tests/packages python3-pyte
	mkdir -p build
	lab/lab run $(SUITE) --out build -- /usr/bin/python3 /lab/src/lab/session.py
	$(PYTHON) docs/picture.py build/session docs/pptpctl.svg

# Two guests at once, as two hosts; then a Prometheus with what those of the guests have stored.
dashboard:
	tests/packages prometheus chromium fonts-dejavu-core pngquant
	tests/unpacked prometheus
	mkdir -p build/dashboard/tree/lab/prometheus
	cp build/unpacked/prometheus/usr/bin/prom* build/dashboard/tree/lab/prometheus
	for host in branch1 branch2; do \
		mkdir -p build/dashboard/$$host; \
		lab/lab run $(SUITE) --memory 1024M --tree build/dashboard/tree --out build/dashboard/$$host --timeout 1200 -- \
			/usr/bin/python3 /lab/src/lab/incidents.py $$host & guests="$$guests $$!"; \
	done; for guest in $$guests; do wait $$guest || exit; done
	$(PYTHON) docs/dashboard.py build/dashboard/branch1/samples build/dashboard/branch2/samples docs/dashboard.png

docs:
	tests/prepare
	.venv/bin/python docs/write.py

deb:
	packaging/deb

release:
	$(PYTHON) packaging/release.py

clean:
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
