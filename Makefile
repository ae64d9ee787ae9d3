# fieldcrypt: PGXS build, tests and checks.
#
#   make, make install       build and install (PG_CONFIG=... chooses the server)
#   make lint                static checks, one line each
#   make check-unit          C tests without a server, under sanitizers
#   make check-fuzz          fuzz targets, FUZZ_SECONDS each (default 60)
#   make installcheck        regression, isolation and TAP tests; starts its own
#                            servers, needs an installed build, not as root
#   make check-regress, check-isolation, check-tap     the three parts of it
#   make check-all           lint, check-unit, installcheck
#
# test/run.sh does all of this on a fresh Debian 12.

EXTENSION = fieldcrypt
# Not VERSION: that is PostgreSQL's in its makefiles.
EXT_VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" fieldcrypt.control)
MODULE_big = fieldcrypt
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA = $(sort $(wildcard sql/$(EXTENSION)--*.sql))

PG_CPPFLAGS = -I$(srcdir)/src -DFC_VERSION=\"$(EXT_VERSION)\"
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	-Wmissing-prototypes -Wdeclaration-after-statement -Wvla \
	-fno-semantic-interposition $(COMPILER_CFLAGS)
# gcc's -Wclobbered (in -Wextra) fires on variables of inlined functions that
# never see the setjmp; clang does not know some options that PostgreSQL was
# built with.
COMPILER_CFLAGS = $(if $(findstring clang,$(shell $(CC) --version 2>/dev/null)), \
	-Wno-unknown-warning-option -Wno-ignored-optimization-argument, -Wno-clobbered)
SHLIB_LINK = -Wl,-Bsymbolic-functions -lssl -lcrypto -lcurl -ljansson

# Order matters: install makes the extension, the keys and the roles that the
# later topics use.  test/lint/tests_listed.sh checks that none is forgotten.
REGRESS = install typmod type_io casts bad_input values keys grants rotate \
	views unkeyed refusals operators sorting sort_copies blind_index index_forms folded matches \
	blind_index_report text_functions collation translate wire rewrap key_life keyring \
	index_rotation set_search convert
ISOLATION = $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))

# pg_regress cannot write paths into its configuration: check-setup makes the
# provider file, its key and the configuration that names them.
SETUP_DIR = $(CURDIR)/tmp_check_setup
REGRESS_PREP = check-setup
REGRESS_OPTS = --temp-instance=./tmp_check_regress --temp-config=$(SETUP_DIR)/regress.conf \
	--encoding=UTF8 --no-locale
ISOLATION_OPTS = --inputdir=test/isolation --temp-instance=./tmp_check_iso \
	--temp-config=$(SETUP_DIR)/regress.conf --encoding=UTF8 --no-locale

TAP_TESTS = 1
PROVE_TESTS = $(if $(wildcard test/t/*.pl),test/t/*.pl)

FUZZ_SECONDS ?= 60

EXTRA_CLEAN = $(OBJS:.o=.d) tmp_check tmp_check_iso tmp_check_regress tmp_check_setup \
	output_iso results regression.diffs regression.out

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# After the include: PGXS resets it.
PROVE_FLAGS += -I $(srcdir)/test/t $(PG_PROVE_EXTRA)

# Every object knows its headers.  Only for .o: the bitcode of an object is
# made again with it.
$(OBJS): override CFLAGS += -MMD -MP -MF $(@:.o=.d) -MT $@ -MT $(@:.o=.bc)
-include $(wildcard $(OBJS:.o=.d))

# A changed version or option set must not leave old objects behind.
$(OBJS): Makefile fieldcrypt.control

.PHONY: check-setup lint check-unit check-fuzz check-regress check-isolation check-tap check-all

check-setup:
	@sh $(srcdir)/test/make_provider.sh '$(SETUP_DIR)/kms'
	@sed 's|@SETUP_DIR@|$(SETUP_DIR)|g' $(srcdir)/test/regress.conf.in >'$(SETUP_DIR)/regress.conf'

lint:
	@PG_CONFIG='$(PG_CONFIG)' bash $(srcdir)/test/lint/lint.sh

check-unit:
	$(MAKE) --no-print-directory -C $(srcdir)/test/unit check

check-fuzz:
	sh $(srcdir)/test/fuzz/run.sh $(FUZZ_SECONDS)

check-regress: check-setup
	$(pg_regress_installcheck) $(REGRESS_OPTS) $(REGRESS)

check-isolation: check-setup
	$(if $(strip $(ISOLATION)),$(pg_isolation_regress_installcheck) $(ISOLATION_OPTS) $(ISOLATION),@echo "no isolation specs"; false)

check-tap:
	$(prove_installcheck)

check-all: lint check-unit
	$(MAKE) installcheck
