# The table of heaps: Tessera's beside mimalloc and a first fit, and more lines of build/bench.tsv.
#
#   awk -v tsv=build/bench.tsv -f heaps.awk MEASURED
#
# MEASURED has lines "heap ROW NANOSECONDS OPERATIONS", "waste HEAP ASKED TAKEN", "mimalloc VERSION"
# and those of table.awk. ROW begins with the name of the heap; Tessera's is called "heap".

BEGIN {
  heap_count = split("heap mimalloc first_fit", heaps)
  text["batch_64"] = "of 1,000 of 64 bytes, then freed"
  text["trace"] = "of many sizes, with random lives"
  text["two"] = "of each of two processors"
  text["hand_over"] = "that another processor frees"
}

# Splits the name of a row: sets `heap`, and returns the rest.
function rest(name,   i) {
  for (i = 1; i <= heap_count; i++) {
    heap = heaps[i]
    if (index(name, heap "_") == 1) return substr(name, length(heap) + 2)
    if (name == "two_" heap) return "two"
  }
  return ""
}

# Notes the time of an operation.
function note(row, nanoseconds) {
  if (!(row in known)) {
    known[row]
    rows[++row_count] = row
  }
  time[heap, row] = nanoseconds
}

$1 == "heap" { note(rest($2), $3 / $4) }
$1 == "pair" && (row = rest($2)) == "two" {
  note(row, $3 / $5)
  efficiency[heap] = $4 / $3
}
$1 == "pair" && $2 == "two_apart" { possible = $4 / $3 < 1 ? $4 / $3 : 1 }
$1 == "instructions" && $2 == "hot" && (row = rest($3)) != "" { instructions[heap, row] = $4 }
$1 == "waste" { waste[substr($2, 1, length($2) - 1)] = $4 / $3; asked = $3 }
$1 == "mimalloc" && $2 > 0 {
  version = sprintf(" %d.%d.%d", $2 / 100, $2 / 10 % 10, $2 % 10)
}

# What a row is about. Pairs are named after their size.
function described(row,   size) {
  if (row in text) return text[row]
  size = substr(row, 6) + 0
  if (size >= 1000) size = int(size / 1000) "," substr(size, length(size) - 2)
  return "of " size " bytes" (size == 16 ? ", allocated and freed" : "")
}

# A number if there is one, or a hyphen.
function number(format, is_there, value) {
  return is_there ? sprintf(format, value) : "-"
}

END {
  if (row_count == 0) exit
  line = "%-33s %6s %6s   %6s %6s %6s   %7s %6s %6s\n"
  printf "\n%-33s %13s   %20s   %21s\n", "heap: an object", "Tessera",
    "mimalloc" version, "first fit"
  printf line, "", "ns", "instr.", "ns", "instr.", "x", "ns", "instr.", "x"
  for (i = 1; i <= row_count; i++) {
    row = rows[i]
    for (h = 1; h <= heap_count; h++) {
      heap = heaps[h]
      is_there = (heap, row) in time
      is_counted = (heap, row) in instructions
      ns[h] = number("%.1f", is_there, time[heap, row])
      count[h] = number("%.0f", is_counted, instructions[heap, row])
      x[h] = number("%.2f", is_there, is_there ? time[heap, row] / time["heap", row] : 0)
      if (is_there)
        printf "%s\t%s\t%.2f\t-\thot\n", row == "two" ? "two_" heap : heap "_" row, \
          number("%.1f", is_counted, instructions[heap, row]), time[heap, row] >> tsv
    }
    printf line, described(row), ns[1], count[1], ns[2], count[2], x[2], ns[3], count[3], x[3]
  }
  for (h = 1; h <= heap_count; h++) {
    heap = heaps[h]
    kept[h] = number("%.2f", heap in efficiency, efficiency[heap] / (possible ? possible : 1))
    taken[h] = number("%.2f", heap in waste, waste[heap])
  }
  if ("two" in known) printf line, "two processors, efficiency", kept[1], "", kept[2], "", "",
    kept[3], "", ""
  printf line, "bytes taken for each asked", taken[1], "", taken[2], "", "", taken[3], "", ""
  if (version == "") print "mimalloc is not on this computer: libmimalloc2.0 of Debian has it."
  print "x: the time over that of Tessera. Another object of the same size is live. Lives: a random"
  print "  one of 10,000 objects is freed, and one is allocated whose size is as frequent as in a"
  print "  running Linux kernel; see trace.c. Bytes taken: Tessera's frames, the bytes that"
  print "  mimalloc calls committed, and the first fit's arena up to its last object, for"
  printf "  %.2f MB. The first fit has no lock, and is not for two processors.\n", asked / 1e6
  print "  Tessera turns interrupts off meanwhile: here that is a store to a variable, in a"
  print "  kernel it is CLI and what restores the flags, which takes longer."
}
