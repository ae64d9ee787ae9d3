# check_layers.awk: do the #include lines obey layers.txt?
# usage: awk -f check_layers.awk layers.txt src/*.c src/*/*.[ch]   (from the root)
FNR == NR {
	if ($0 ~ /^#/ || NF == 0)
		next
	if ($1 ~ /^!/) {
		extra[substr($1, 2)] = extra[substr($1, 2)] " " $2
		next
	}
	dirs[$1] = "," $2 ","
	sys[$1] = $3
	next
}
/^[ \t]*#[ \t]*include/ {
	file = FILENAME
	sub(/^src\//, "", file)
	dir = file
	sub(/\/.*/, "", dir)
	if (!(dir in dirs)) {
		printf "%s: directory '%s' is not in layers.txt\n", FILENAME, dir
		bad = 1
		nextfile
	}
	line = $0
	sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)
	if (!match(line, /^("[^"]*"|<[^>]*>)/)) {
		printf "%s:%d: an include that cannot be read\n", FILENAME, FNR
		bad = 1
		next
	}
	inc = substr(line, RSTART, RLENGTH)
	target = inc
	gsub(/"/, "", target)
	tdir = target
	sub(/\/.*/, "", tdir)
	ok = 0
	n = split(extra[file], e, " ")
	if (inc ~ /^"fc_/)
		ok = 0					# own headers are named with their directory
	else if (inc ~ /^"/ && (tdir in dirs)) {
		if (index(dirs[dir], "," tdir ","))
			ok = 1
		for (i = 1; i <= n; i++)
			if (e[i] == "dir:" tdir)
				ok = 1
	} else if (inc ~ sys[dir])
		ok = 1
	else
		for (i = 1; i <= n; i++)
			if (e[i] !~ /^dir:/ && inc ~ e[i])
				ok = 1
	if (!ok) {
		printf "%s:%d: '%s' may not include %s\n", FILENAME, FNR, dir, inc
		bad = 1
	}
}
END { exit bad }
