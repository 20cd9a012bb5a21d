# Finds instructions that use vector, MMX or x87 registers, which the kernel neither saves nor
# enables.
#
# One function contains such an instruction on purpose: the demo kernel raises the fault on request
# to demonstrate its crash report.
BEGIN { deliberate["crash_floating_point"] = "fld1" }

{ gsub(/\t/, " ") }
$1 == "function" { current = $2; functions++; next }
{
  instructions++
  text = $0
  sub(/^[^ ]* +/, "", text)
  if ((current in deliberate) && text == deliberate[current]) next
  # All mnemonics of the x87 unit start with f, and no others do.
  if (text ~ /%([xyz]mm[0-9]|mm[0-7]|st|k[0-7])/ ||
      text ~ /^((lock|rep|data16) +)?(f[a-z0-9]+|emms|v?ldmxcsr|v?stmxcsr|vzero[a-z]+|wait)( |$)/) {
    print "vector or x87: " current ": " text
    found = 1
  }
}
END {
  if (instructions == 0) print "no instruction was found"
  print "summary", functions, instructions
  exit found || instructions == 0
}
