# test/lib.sh: what the scripts of test/ share.  Sourced, never run.
#
# PostgreSQL refuses to run as root, so everything that starts a server runs
# as an unprivileged user (postgres, which Debian's package makes).  That user
# often cannot read the work tree (a clone under /root), so the tree is copied
# to a directory of its own first.
#
# shellcheck shell=bash

FC_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FC_USER=${FC_USER:-postgres}
FC_PG_MAJOR=15
FC_BIN=${FC_BIN:-/usr/lib/postgresql/$FC_PG_MAJOR/bin}
FC_CACHE=${FC_CACHE:-/var/tmp/fieldcrypt-cache}
FC_WORK=
export LC_ALL=C.UTF-8

fc_die()
{
	echo "error: $*" >&2
	exit 1
}

# Run a command as root.
fc_as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Run a command as the unprivileged user, with no settings of ours leaking in.
fc_as_user()
{
	if [ "$(id -un)" = "$FC_USER" ]; then
		"$@"
	elif [ "$(id -u)" = 0 ]; then
		runuser -u "$FC_USER" -- "$@"
	else
		sudo -u "$FC_USER" -- "$@"
	fi
}

# Install the Debian packages that are missing.  With nothing missing it
# changes nothing and needs no network.
fc_packages()
{
	local p missing=()

	for p in "$@"; do
		case "$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null || true)" in
			"install ok installed") ;;
			*) missing+=("$p") ;;
		esac
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ -r /etc/debian_version ] || fc_die "these packages are missing and this is not Debian: ${missing[*]}"
	echo "# installing: ${missing[*]}"
	if [ -z "${FC_APT_UPDATED:-}" ]; then
		fc_as_root apt-get -qq update
		FC_APT_UPDATED=1
	fi
	# Debian's package makes and starts a cluster 15/main when it is
	# installed; tell it not to.  A cluster that is there already stays as it is.
	case " ${missing[*]} " in
		*" postgresql-$FC_PG_MAJOR "*)
			fc_apt_install postgresql-common
			if [ -f /etc/postgresql-common/createcluster.conf ]; then
				fc_as_root sed -i -E 's/^#? *create_main_cluster *=.*/create_main_cluster = false/' \
					/etc/postgresql-common/createcluster.conf
			fi
			;;
	esac
	fc_apt_install "${missing[@]}"
}

# apt's own chatter is shown only if it fails.
fc_apt_install()
{
	local log status=0

	log=$(mktemp)
	fc_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
		install --no-install-recommends "$@" </dev/null >"$log" 2>&1 || status=$?
	[ "$status" = 0 ] || tail -n 40 "$log" >&2
	rm -f "$log"
	return "$status"
}

# Make FC_WORK, a directory of the unprivileged user, removed at exit (kept
# with FC_KEEP=1).  NAME is part of its name.
fc_work_dir()
{
	local name=$1

	id "$FC_USER" >/dev/null 2>&1 || fc_die "there is no user $FC_USER"
	FC_WORK=$(fc_as_user mktemp -d "/var/tmp/fieldcrypt-$name.XXXXXX")
	trap 'fc_cleanup $?' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# Stop every server under FC_WORK by its own pid file, then remove it.
fc_cleanup()
{
	local status=$1 pidfile

	trap - EXIT
	if [ -n "$FC_WORK" ] && [ -d "$FC_WORK" ]; then
		while IFS= read -r pidfile; do
			fc_as_user "$FC_BIN/pg_ctl" -D "$(dirname "$pidfile")" -m immediate -w stop >/dev/null 2>&1 || true
		done < <(fc_as_user find "$FC_WORK" -maxdepth 4 -name postmaster.pid 2>/dev/null)
		if [ -n "${FC_KEEP:-}" ]; then
			echo "# kept: $FC_WORK" >&2
		else
			fc_as_root rm -rf "$FC_WORK"
		fi
	fi
	exit "$status"
}

# Copy the work tree, without build products, to DIR, owned by the user.
fc_copy_tree()
{
	local dir=$1

	fc_as_user mkdir -p "$dir"
	tar -C "$FC_ROOT" --exclude=./.git --exclude='./tmp_check*' --exclude=./results \
		--exclude=./output_iso --exclude=./test/unit/build --exclude=./test/fuzz/build \
		--exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude='./src/*.d' -cf - . |
		fc_as_user tar -C "$dir" --no-same-owner -xf -
}

# Build DIR as the user and install it as root.
fc_build_install()
{
	local dir=$1

	fc_as_user make -s -C "$dir" -j"$(nproc)" PG_CONFIG="$FC_BIN/pg_config" &&
		fc_as_root make -s -C "$dir" install PG_CONFIG="$FC_BIN/pg_config"
}

# Start a cluster in DIR: provider file and key file in DIR/kms, data in
# DIR/data, socket in DIR, no TCP.  Further arguments are lines of
# postgresql.conf.  An existing DIR/kms is used as it is, so that a second
# cluster can share the first one's provider.
fc_cluster_start()
{
	local dir=$1 line
	shift

	fc_as_user mkdir -p "$dir"
	[ -d "$dir/kms" ] || fc_provider_make "$dir/kms"
	fc_as_user "$FC_BIN/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 --no-sync --no-instructions >/dev/null
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$dir'"
		echo "shared_preload_libraries = 'fieldcrypt'"
		echo "fieldcrypt.provider_file = '$dir/kms/fieldcrypt_kms.conf'"
		echo "fieldcrypt.default_provider = 'local'"
		echo "fsync = off"
		for line in "$@"; do
			echo "$line"
		done
	} | fc_as_user tee -a "$dir/data/postgresql.conf" >/dev/null
	fc_as_user "$FC_BIN/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 30 start >/dev/null || {
		fc_as_user cat "$dir/server.log" >&2
		return 1
	}
}

fc_cluster_stop()
{
	fc_as_user "$FC_BIN/pg_ctl" -D "$1/data" -m fast -w stop >/dev/null
}

# Make DIR with a provider file that has one provider, `local`, and its key.
fc_provider_make()
{
	fc_as_user sh "$FC_ROOT/test/make_provider.sh" "$1" 2>/dev/null ||
		fc_as_user sh -s "$1" <"$FC_ROOT/test/make_provider.sh"
}

# psql for the cluster in DIR.
fc_psql()
{
	local dir=$1
	shift

	fc_as_user env PGHOST="$dir" PGUSER="${FC_PGUSER:-postgres}" PGDATABASE="${FC_PGDATABASE:-postgres}" \
		"$FC_BIN/psql" -X -v ON_ERROR_STOP=1 "$@"
}

# Count results in a log: prints "PASSED FAILED".  Understands TAP at the
# left margin (prove -v, lint, unit tests, pg_regress of 16 and later) and
# the lines of pg_regress 15 ("test NAME ... ok  12 ms").  A skipped TAP test
# counts as neither.
fc_count()
{
	awk '
		/^ok [0-9]+.*# *(SKIP|skip)/ { next }
		/^not ok [0-9]+.*# *TODO/ { next }
		/^ok [0-9]+/ { passed++ }
		/^not ok [0-9]+/ { failed++ }
		/^(test|    ) .* \.\.\. +ok( |$)/ { passed++ }
		/^(test|    ) .* \.\.\. +FAILED/ { failed++ }
		END { print passed + 0, failed + 0 }' "$1"
}
