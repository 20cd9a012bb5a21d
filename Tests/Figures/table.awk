# Lays out the figures as tables.
BEGIN { FS = "\t" }
$1 == "tests" { tests[++testCount] = sprintf("%-28s %8d", $2, $3); next }
sub(/^calls: /, "", $1) {
  if ($2 == "functions") chains[callCount] = $3
  else calls[++callCount] = sprintf("%-36s %-13s %3d", $1, $2, $3)
  next
}
{
  if (!(($1, "files") in value)) modules[++moduleCount] = $1
  value[$1, $2] = $3
}
END {
  print "Swift files and functions of each module, and their lines. A function is a func, init,"
  print "deinit, subscript, or an accessor with a body of its own."
  print ""
  printf "%-18s %5s %6s %6s %5s | %5s %6s %4s %4s  %s\n", "", "files", "lines", "median", \
    "most", "func.", "median", "90 %", "most", "longest"
  for (i = 1; i <= moduleCount; i++) {
    m = modules[i]
    printf "%-18s %5d %6d %6d %5d | %5d %6d %4d %4d  %s\n", m, value[m, "files"], \
      value[m, "lines"], value[m, "lines per file, median"], value[m, "lines per file, most"], \
      value[m, "functions"], value[m, "lines per function, median"], \
      value[m, "lines per function, 90 %"], value[m, "lines per function, most"], \
      value[m, "longest function"]
  }
  print ""
  print "Of the lines that are not empty, how many are comments alone; lines of code with unsafe"
  print "and the files they are in, other attributes; functions that go from an entry to its table."
  print ""
  printf "%-18s %8s %7s %6s %6s %7s %6s %11s %8s %7s\n", "", "comments", "unsafe", "in", "SAFETY", \
    "inline", "never", "nonisolated", "immortal", "descend"
  printf "%-18s %8s %7s %6s %6s %7s %6s %11s %8s %7s\n", "", "", "lines", "files", "", \
    "always", "inline", "(unsafe)", "", ""
  for (i = 1; i <= moduleCount; i++) {
    m = modules[i]
    printf "%-18s %6.1f %% %7d %6d %6d %7d %6d %11d %8d %7d\n", m, \
      value[m, "comment lines, percent"], value[m, "unsafe lines"], value[m, "files with unsafe"], \
      value[m, "SAFETY comments"], value[m, "@inline(__always)"], value[m, "@inline(never)"], \
      value[m, "nonisolated(unsafe)"], value[m, "@_lifetime(immortal)"], \
      value[m, "descending functions"]
  }
  print ""
  print "Tests, without the snippets among the files."
  print ""
  for (i = 1; i <= testCount; i++) print tests[i]
  print ""
  print "The most functions that an operation goes through to reach a page-table entry, from the"
  print "public one to that which loads or stores the entry, both counted, as a debug build runs"
  print "them. Functions and initialisers count, accessors and closures do not."
  print ""
  for (i = 1; i <= callCount; i++) printf "%s\n    %s\n", calls[i], chains[i]
}
