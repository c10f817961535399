# What an installed service needs beside its programs: units, configurations, nginx's part, the schema, the scripts
# behind petsctl. Debian's package is made of nothing but `make install`.

unitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
confdir = $(sysconfdir)/pets-api
logrotatedir = $(sysconfdir)/logrotate.d
fail2banfilterdir = $(sysconfdir)/fail2ban/filter.d
fail2banjaildir = $(sysconfdir)/fail2ban/jail.d
completionsdir = $(datadir)/bash-completion/completions

SOCKETS = petsd-api.socket petsd-api-ops.socket petsd-auth.socket petsd-auth-ops.socket
UNITS_MADE = petsd-api.service petsd-api-relief.service petsd-auth.service petsd-auth-relief.service petsd-mail.service \
	petsd-prune.service petsd-watch.service petsd-doctor.service
CONFS_MADE = api.conf auth.conf mail.conf ops.conf prune.conf watch.conf

EXTRA_DIST += packaging
dist_unit_DATA = $(SOCKETS:%=packaging/systemd/%) packaging/systemd/petsd-mail.timer packaging/systemd/petsd-prune.timer \
	packaging/systemd/petsd-watch.timer packaging/systemd/petsd-doctor.timer
nodist_unit_DATA = $(UNITS_MADE:%=packaging/%)
dist_sysusers_DATA = packaging/sysusers.d/pets-api.conf
dist_tmpfiles_DATA = packaging/tmpfiles.d/pets-api.conf
# What petsctl doctor compares the privileges with.
pkgdata_DATA += sql/privileges.sql t/data/privileges.golden
dist_logrotate_DATA = packaging/logrotate/pets-api
dist_fail2banfilter_DATA = packaging/fail2ban/filter.d/pets-api.conf
dist_fail2banjail_DATA = packaging/fail2ban/jail.d/pets-api.conf
nodist_completions_DATA = packaging/petsctl
nodist_conf_DATA = $(CONFS_MADE:%=packaging/%)
pkglibexec_SCRIPTS = packaging/doctor packaging/restart packaging/setup packaging/watch
CLEANFILES += $(nodist_unit_DATA) $(nodist_conf_DATA) $(nodist_completions_DATA) packaging/doctor packaging/setup

UNIT_PARTS = $(srcdir)/packaging/systemd/compile-unit $(srcdir)/packaging/systemd/pool.inc \
	$(srcdir)/packaging/systemd/sandbox.inc
COMPILE_UNIT = sh $(srcdir)/packaging/systemd/compile-unit
UNIT_PATHS = bindir=$(bindir) sbindir=$(sbindir) sysconfdir=$(sysconfdir) libexecdir=$(pkglibexecdir)

packaging/petsd-api.service: $(srcdir)/packaging/systemd/petsd-api.service.in $(UNIT_PARTS)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_UNIT) $< main POOL=api UNIT=petsd-api $(UNIT_PATHS) > $@.tmp && mv $@.tmp $@

packaging/petsd-api-relief.service: $(srcdir)/packaging/systemd/petsd-api.service.in $(UNIT_PARTS)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_UNIT) $< relief POOL=api UNIT=petsd-api-relief $(UNIT_PATHS) > $@.tmp && mv $@.tmp $@

packaging/petsd-auth.service: $(srcdir)/packaging/systemd/petsd-auth.service.in $(UNIT_PARTS)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_UNIT) $< main POOL=auth UNIT=petsd-auth $(UNIT_PATHS) > $@.tmp && mv $@.tmp $@

packaging/petsd-auth-relief.service: $(srcdir)/packaging/systemd/petsd-auth.service.in $(UNIT_PARTS)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_UNIT) $< relief POOL=auth UNIT=petsd-auth-relief $(UNIT_PATHS) > $@.tmp && mv $@.tmp $@

packaging/petsd-mail.service: $(srcdir)/packaging/systemd/petsd-mail.service.in $(UNIT_PARTS)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_UNIT) $< main UNIT=petsd-mail $(UNIT_PATHS) > $@.tmp && mv $@.tmp $@

packaging/petsd-prune.service: $(srcdir)/packaging/systemd/petsd-prune.service.in $(UNIT_PARTS)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_UNIT) $< main UNIT=petsd-prune $(UNIT_PATHS) > $@.tmp && mv $@.tmp $@

packaging/petsd-watch.service: $(srcdir)/packaging/systemd/petsd-watch.service.in $(UNIT_PARTS)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_UNIT) $< main UNIT=petsd-watch $(UNIT_PATHS) > $@.tmp && mv $@.tmp $@

packaging/petsd-doctor.service: $(srcdir)/packaging/systemd/petsd-doctor.service.in $(UNIT_PARTS)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_UNIT) $< main UNIT=petsd-doctor $(UNIT_PATHS) > $@.tmp && mv $@.tmp $@

# The comments are what petsd says of its options.
COMPILE_CONF = sh $(srcdir)/packaging/etc/compile-conf ./petsd$(EXEEXT)

packaging/api.conf: $(srcdir)/packaging/etc/api.conf.in $(srcdir)/packaging/etc/compile-conf petsd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_CONF) $< > $@.tmp && mv $@.tmp $@

packaging/auth.conf: $(srcdir)/packaging/etc/auth.conf.in $(srcdir)/packaging/etc/compile-conf petsd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_CONF) $< > $@.tmp && mv $@.tmp $@

packaging/mail.conf: $(srcdir)/packaging/etc/mail.conf.in $(srcdir)/packaging/etc/compile-conf petsd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_CONF) $< > $@.tmp && mv $@.tmp $@

packaging/ops.conf: $(srcdir)/packaging/etc/ops.conf.in $(srcdir)/packaging/etc/compile-conf petsd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_CONF) $< > $@.tmp && mv $@.tmp $@

packaging/prune.conf: $(srcdir)/packaging/etc/prune.conf.in $(srcdir)/packaging/etc/compile-conf petsd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_CONF) $< > $@.tmp && mv $@.tmp $@

packaging/watch.conf: $(srcdir)/packaging/etc/watch.conf.in $(srcdir)/packaging/etc/compile-conf petsd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) packaging && $(COMPILE_CONF) $< > $@.tmp && mv $@.tmp $@

packaging/petsctl: petsctl$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) packaging && ./petsctl$(EXEEXT) --completion > $@.tmp && mv $@.tmp $@

FILL_IN = sed 's|@pkgdatadir[@]|$(pkgdatadir)|; s|@sysconfdir[@]|$(sysconfdir)|; s|@bindir[@]|$(bindir)|; s|@sbindir[@]|$(sbindir)|'

packaging/doctor: $(srcdir)/packaging/doctor.in
	$(AM_V_GEN)$(MKDIR_P) packaging && $(FILL_IN) $(srcdir)/packaging/doctor.in > $@.tmp
	$(AM_V_at)chmod +x $@.tmp && mv $@.tmp $@

packaging/setup: $(srcdir)/packaging/setup.in
	$(AM_V_GEN)$(MKDIR_P) packaging && $(FILL_IN) $(srcdir)/packaging/setup.in > $@.tmp
	$(AM_V_at)chmod +x $@.tmp && mv $@.tmp $@

# Folders whose files change from one version to the next, whole.
install-data-hook:
	for dir in schema schema/deploy schema/revert schema/verify; do \
	  $(MKDIR_P) "$(DESTDIR)$(pkgdatadir)/$$dir" && \
	  find "$(srcdir)/sql/$$dir" -maxdepth 1 -type f -exec $(INSTALL_DATA) -t "$(DESTDIR)$(pkgdatadir)/$$dir" {} + || exit 1; \
	done
	$(MKDIR_P) "$(DESTDIR)$(pkgdatadir)/nginx"
	find "$(srcdir)/nginx" -maxdepth 1 -type f ! -name render ! -name README.md -exec $(INSTALL_DATA) -t "$(DESTDIR)$(pkgdatadir)/nginx" {} +
	$(INSTALL_SCRIPT) $(srcdir)/nginx/render "$(DESTDIR)$(pkgdatadir)/nginx"

uninstall-hook:
	rm -rf "$(DESTDIR)$(pkgdatadir)/schema" "$(DESTDIR)$(pkgdatadir)/nginx"
