# Prints terms of the functions in the arithmetic, for all combinations of the values that their
# `cases` lines name: the ends of ranges, and what lies beside them. A line is a name and arguments
# in hexadecimal.

BEGIN {
  values["truths"] = "0 1"
  values["levels"] = "1 2 3 4 5"
  values["rootLevels"] = "4 5"
  values["sizes"] = "0 1 2"
  values["largeSizes"] = "1 2"
  values["partNumbers"] = "0 1 1ff"
  values["widths"] = "20 28 33 34"
  values["payloads"] = "0 1 80000000 ffffffff"
  values["alignments"] = "1 1000 200000 40000000"
  values["addresses"] = "0 1 fff 1000 1fffff 3fffffff 7fffffffff 123456789abc 7fffffffe000" \
    " 7ffffffff000 7fffffffffff 800000000000 fffffffffffff ffffffffffffff 100000000000000" \
    " feffffffffffffff ff00000000000000 ffff7fffffffffff ffff800000000000 ffffffffc0000000" \
    " fffffffffffff000 ffffffffffffffff"
  values["lengths"] = "0 1 1000 7fffffffe000 800000000000 8000000000000000 fffffffffffff000" \
    " ffffffffffffffff"
  values["physicalAddresses"] = "0 1 fff 1000 1001 1fffff 200001 3fffffff ffffffff000" \
    " fffffffffffff 10000000000000"
  values["frames"] = "0 40000000 80000000000 fffffc0000000"
  # Not accessible; read; read and write, user; read and execute, uncacheable, to be copied; with
  # every other bit.
  values["properties"] = "8000000000000000 8000000000000001 8000000000000007 40000000000019" \
    " 8030000000000163 8100000000000007"
  # Leaves of 4 KiB, present, cached otherwise, and without access.
  entries = "8000000000001603 21b fffffffffe01 800fffffffffe600"
  # Large ones: with PAT, to be copied, writable, without access, and while they change their size.
  entries = entries " 201283 c0000000200681 8000000040000683 800fffffbffff680 800fffffbffffe82"
  # Tables, also accessed ones; a status; entries of loaders.
  entries = entries " 3007 3027 fffffffffe800 e3 80000000000001e3 1063"
  values["entries"] = entries " 0 800 ffffffffffffffff 7ffffffffffffffe"
  values["statuses"] = "ffffffffff800 fffffffffe800 ff00000000800 7ffffffffe800"
  # Pages of zeros, read and write, user; pending ones: shared, read and execute, uncacheable.
  values["vacantEntries"] = "8e4ffffffffff800 136ffffffffff800 d72fffffffffe800"
  values["presentEntries"] = "8000000000001603 201283 8000000040000683 800fffffbffff680 3007 e3" \
    " 10000000e3 ffffffffff603 8000000000008083 ffffffffffffffff"
  values["counts"] = "0 1 2 7ffffffffffffffe 7fffffffffffffff 8000000000000000 80000000fffffffe" \
    " 80000000ffffffff fffffffffffffffc fffffffffffffffd fffffffffffffffe ffffffffffffffff"
  # Of which neither sharing nor dropping panics.
  values["saneCounts"] = "1 2 3 3e8 7ffffffffffff000 7ffffffffffffffc 7ffffffffffffffd" \
    " 7ffffffffffffffe 7fffffffffffffff 8000000000000000 80000000fffffffe"
  values["addedCounts"] = "1 2 200 1000 ffffffff"
}

/^; cases: / { setCount = split(substr($0, 10), sets, " ") }
/^\(define-fun / && setCount > 0 { combine($2, 1); setCount = 0 }
/^$/ { setCount = 0 }

function combine(term, next_, list, count, i) {
  if (next_ > setCount) { print term; return }
  if (!(sets[next_] in values)) { print "no values: " sets[next_] > "/dev/stderr"; exit 1 }
  count = split(values[sets[next_]], list, " ")
  for (i = 1; i <= count; i++) combine(term " " list[i], next_ + 1)
}
