# The messages are compiled in: src/mail/templates/*.txt becomes one table (src/mail/compile-templates).
MAIL_TEMPLATES = \
	src/mail/templates/already_registered.txt \
	src/mail/templates/new_sign_in.txt \
	src/mail/templates/password_changed.txt \
	src/mail/templates/reset_password.txt \
	src/mail/templates/second_factor_changed.txt \
	src/mail/templates/verify_email.txt

libpets_a_SOURCES += \
	src/mail/delivery.h \
	src/mail/letter.c src/mail/letter.h \
	src/mail/mailer.c src/mail/mailer.h \
	src/mail/message.c src/mail/message.h \
	src/mail/sendmail.c src/mail/sendmail.h \
	src/mail/smtp.c src/mail/smtp.h

nodist_libpets_a_SOURCES += templates.c templates.h
BUILT_SOURCES += templates.h templates.c
CLEANFILES += templates.h templates.c
EXTRA_DIST += src/mail/compile-templates $(MAIL_TEMPLATES)

templates.h: $(MAIL_TEMPLATES) src/mail/compile-templates
	$(AM_V_GEN)cd $(srcdir) && sh src/mail/compile-templates h $(MAIL_TEMPLATES) > $(abs_builddir)/$@.tmp
	$(AM_V_at)mv $@.tmp $@

templates.c: $(MAIL_TEMPLATES) src/mail/compile-templates
	$(AM_V_GEN)cd $(srcdir) && sh src/mail/compile-templates c $(MAIL_TEMPLATES) > $(abs_builddir)/$@.tmp
	$(AM_V_at)mv $@.tmp $@
