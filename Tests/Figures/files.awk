# Counts lines of Swift files: prints the file, and for each figure its name and the count. Needs
# code.awk.
BEGIN { OFS = "\t" }
FNR == 1 { finish(); modes = "C"; file = FILENAME }
{
  code = strip($0)
  count["lines"]++
  if ($0 ~ /[^ \t]/) count["lines with text"]++
  if (hasComment && !hasCode) count["comment lines"]++
  if ($0 ~ /\/\/ SAFETY:/) count["SAFETY comments"]++
  if (code ~ /@inline\(__always\)/) count["@inline(__always)"]++
  if (code ~ /@inline\(never\)/) count["@inline(never)"]++
  if (code ~ /@_lifetime\(immortal\)/) count["@_lifetime(immortal)"]++
  if (sub(/nonisolated\(unsafe\)/, "", code)) count["nonisolated(unsafe)"]++
  if (code ~ /(^|[^A-Za-z0-9_])unsafe([^A-Za-z0-9_]|$)/) count["unsafe lines"]++
  if (code ~ /@Test([^A-Za-z]|$)/) count["@Test functions"]++
}
END { finish() }

function finish(    name) {
  if (file == "") return
  for (name in count) print file, name, count[name]
  split("", count)
}
