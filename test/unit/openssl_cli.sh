#!/usr/bin/env bash
#
# Open the suite-1 values of test/vectors/format1.txt with the openssl command
# line alone, given the root secret: derive the master key, unwrap the data
# key, decrypt the payload, check its tag.  The shell only cuts hexadecimal
# strings apart.  Prints TAP.
#
# The command line has no GCM, so the payload is decrypted as what it is, CTR
# from the block nonce || 00000002, and the tag is checked with GMAC: with
# B1..Bn the padded associated data, the padded ciphertext and the block of
# lengths, the tag is right if and only if GHASH(B1..Bn) = tag ^ AES(J0), and
# because multiplication by H is one to one, if and only if
#     GMAC(B1..Bn || 0) = GMAC(0..0 || tag ^ AES(J0))    (n + 1 blocks each).
#
set -u
cd "$(dirname "$0")" || exit 1

tests=0
failed=0

ok()
{
	tests=$((tests + 1))
	if [ "$1" = "$2" ]; then
		echo "ok $tests - $3"
	else
		echo "not ok $tests - $3"
		echo "#   got  $1"
		echo "#   want $2"
		failed=$((failed + 1))
	fi
}

lower() { tr -d ':\n ' | tr 'A-F' 'a-f'; }
to_bytes() { printf '%b' "$(printf '%s' "$1" | sed 's/../\\x&/g')"; }
to_hex() { od -An -v -tx1 | lower; }
zeros() { printf '%*s' "$1" '' | tr ' ' '0'; }

# Zeros up to a multiple of 16 bytes.
pad() { printf '%s%s' "$1" "$(zeros $(((32 - ${#1} % 32) % 32)))"; }

xor()
{
	local i

	for ((i = 0; i < ${#1}; i += 2)); do
		printf '%02x' $((16#${1:i:2} ^ 16#${2:i:2}))
	done
}

derive()						# root context
{
	openssl kdf -keylen 32 -kdfopt mac:HMAC -kdfopt digest:SHA256 \
		-kdfopt hexkey:"$1" -kdfopt hexsalt:"$(printf 'fieldcrypt/1' | to_hex)" \
		-kdfopt hexinfo:"$2" KBKDF | lower
}

check_value()					# root context data
{
	openssl mac -digest SHA256 -macopt hexkey:"$1" -in <(to_bytes "$2") HMAC | lower
}

unwrap()						# master wrapped
{
	to_bytes "$2" | openssl enc -d -id-aes256-wrap -K "$1" -iv a6a6a6a6a6a6a6a6 | to_hex
}

decrypt()						# data key, nonce, ciphertext
{
	to_bytes "$3" | openssl enc -d -aes-256-ctr -K "$1" -iv "${2}00000002" | to_hex
}

gmac()							# data key, nonce, data
{
	openssl mac -cipher AES-256-GCM -macopt hexkey:"$1" -macopt hexiv:"$2" \
		-in <(to_bytes "$3") GMAC | lower
}

tag_is_right()					# data key, nonce, aad, ciphertext, tag
{
	local j0 blocks n

	j0=$(to_bytes "${2}00000001" | openssl enc -aes-256-ecb -nopad -K "$1" | to_hex)
	blocks="$(pad "$3")$(pad "$4")$(printf '%016x%016x' $((${#3} * 4)) $((${#4} * 4)))"
	n=${#blocks}
	[ "$(gmac "$1" "$2" "${blocks}$(zeros 32)")" = \
		"$(gmac "$1" "$2" "$(zeros "$n")$(xor "$5" "$j0")")" ] && echo yes || echo no
}

open_value()					# root, plaintext, value
{
	local value=$3 tag="" tag_len=00 rest head key_id version master data_key nonce text aad gcm

	head=${value:0:4}
	key_id=${value:4:12}
	version=${value:16:4}
	rest=${value:20}
	if [ "${value:2:2}" = "01" ]; then
		tag=${rest:0:32}
		tag_len=10
		rest=${rest:32}
	fi
	master=$(derive "$1" "0101$key_id$version")
	data_key=$(unwrap "$master" "${rest:0:80}")
	nonce=${rest:80:24}
	text=${rest:104:$((${#rest} - 104 - 32))}
	gcm=${rest: -32}
	aad="$head${key_id}000001$tag_len$tag"
	ok "$(decrypt "$data_key" "$nonce" "$text")" "$2" "decrypts: $((${#text} / 2)) bytes, version $((16#$version)), tag length $((16#$tag_len))"
	ok "$(tag_is_right "$data_key" "$nonce" "$aad" "$text" "$gcm")" yes "GCM tag is right"
	ok "$(tag_is_right "$data_key" "$nonce" "${aad/#01/02}" "$text" "$gcm")" no "GCM tag of altered associated data is not"
}

while read -r kind f1 f2 f3 f4 f5 f6 f7 f8 _; do
	case $kind in
		kdf)
			ok "$(derive "$f5" "$f6")" "$f7" "key of context $f6"
			ok "$(check_value "$f5" "$(printf 'fieldcrypt/1 kcv' | to_hex)$f6" | cut -c1-16)" "$f8" \
				"check value of context $f6"
			;;
		wrap)
			ok "$(unwrap "$f1" "$f3")" "$f2" "unwraps"
			;;
		tag)
			[ "$f4" = "-" ] && f4=""
			ok "${f5:0:2}$(check_value "$f1" "${f5:0:2}$f4" | cut -c1-30)" "$f5" "tag of mode $f2"
			;;
		value)
			[ "$f7" = "-" ] && f7=""
			[ "$f1" = "1" ] && open_value "$f5" "$f7" "$f8"
			;;
	esac
done < ../vectors/format1.txt

echo "1..$tests"
[ "$failed" -eq 0 ] && [ "$tests" -gt 0 ]
