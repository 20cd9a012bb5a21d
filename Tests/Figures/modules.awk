# The figures of each module and of all, from the output of files.awk and then of functions.awk:
# prints the module, the name of a figure, and its value.
BEGIN { FS = OFS = "\t"; all = "all modules" }
{ split($1, parts, "/"); module = parts[2] }
FILENAME ~ /files/ {
  if (!(module in known)) { known[module]; order[++modules] = module }
  add(module, $2, $3); add(all, $2, $3)
  if ($2 == "lines") { keep(module, "file", $3, $1); keep(all, "file", $3, $1) }
  if ($2 == "unsafe lines") {
    add(module, "files with unsafe", 1)
    add(all, "files with unsafe", 1)
  }
  next
}
{
  keep(module, "function", $4, $3); keep(all, "function", $4, $3)
  add(module, "descending functions", $5); add(all, "descending functions", $5)
}
END {
  for (i = 1; i <= modules; i++) report(order[i])
  report(all)
}

function add(module, name, value) { sum[module, name] += value }

# keep(MODULE, WHAT, LENGTH, NAME): a file or a function of so many lines.
function keep(module, what, lines, name) {
  size[module, what, ++number[module, what]] = lines
  if (lines > most[module, what]) { most[module, what] = lines; longest[module, what] = name }
}

function report(module) {
  print module, "files", number[module, "file"] + 0
  print module, "lines", sum[module, "lines"] + 0
  quantiles(module, "file")
  print module, "functions", number[module, "function"] + 0
  quantiles(module, "function")
  print module, "longest function", longest[module, "function"]
  printf "%s\t%s\t%.1f\n", module, "comment lines, percent", \
    100 * sum[module, "comment lines"] / sum[module, "lines with text"]
  count = split("files with unsafe,unsafe lines,SAFETY comments,@inline(__always)," \
    "@inline(never),nonisolated(unsafe),@_lifetime(immortal),descending functions", names, ",")
  for (n = 1; n <= count; n++) print module, names[n], sum[module, names[n]] + 0
}

# The length below which half of them and nine of ten are, or which they have, and the greatest.
function quantiles(module, what,    n, i, j, value) {
  n = number[module, what]
  for (i = 2; i <= n; i++) {
    value = size[module, what, i]
    for (j = i - 1; j > 0 && size[module, what, j] > value; j--)
      size[module, what, j + 1] = size[module, what, j]
    size[module, what, j + 1] = value
  }
  print module, "lines per " what ", median", size[module, what, int((n + 1) / 2)] + 0
  if (what == "function")
    print module, "lines per " what ", 90 %", size[module, what, int((9 * n + 9) / 10)] + 0
  print module, "lines per " what ", most", size[module, what, n] + 0
}
