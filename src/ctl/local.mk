petsctl_SOURCES += \
	src/ctl/access.c src/ctl/access.h \
	src/ctl/account.c src/ctl/account.h \
	src/ctl/completion.c src/ctl/completion.h \
	src/ctl/ctl.c src/ctl/ctl.h \
	src/ctl/help.c src/ctl/help.h \
	src/ctl/key.c src/ctl/key.h \
	src/ctl/keyring.c src/ctl/keyring.h \
	src/ctl/mail.c src/ctl/mail.h \
	src/ctl/output.c src/ctl/output.h \
	src/ctl/prune.c src/ctl/prune.h \
	src/ctl/program.c src/ctl/program.h \
	src/ctl/secret.c src/ctl/secret.h \
	src/ctl/session.c src/ctl/session.h \
	src/ctl/terminal.c src/ctl/terminal.h \
	src/ctl/user.c src/ctl/user.h \
	src/ctl/verbs.c src/ctl/verbs.h
