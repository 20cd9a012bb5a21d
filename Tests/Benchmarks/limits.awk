# Compares what the loops cost with what they may.
#
#   awk -f limits.awk LIMITS OPERATIONS INSTRUCTIONS DISASSEMBLY PROFILE
#
# A store to the stack is an instruction of the loop's own function that writes to memory at the
# stack or frame pointer; how often each ran is in the profile. The few at the start of a loop's
# function count for nothing.

FNR == 1 { file++ }
file == 1 && !/^#/ { limit[$1] = $2; storeLimit[$1] = $3; order[++rowCount] = $1; next }
file == 2 && $1 == "operations" { operations[$2] = $3; next }
file == 3 && $1 == "instructions" { instructions[$3] = $4; next }
file == 4 && /<.*>:$/ { inside = $2 ~ /^<benchmark_/; next }
file == 4 && inside && /push|, -?(0x[0-9a-f]+)?\(%r[sb]p\)$/ && !/cmp|test/ {
  sub(/:/, "", $1)
  isStore["0x" $1] = 1
  next
}
file == 5 && /^fn=/ { row = substr($0, 4); sub(/^benchmark_/, "", row); next }
file == 5 && /^calls=/ { isCall = 1; next }
file == 5 && /^0x/ {
  if (!isCall && ($1 in isStore)) stores[row] += $3
  isCall = 0
}

END {
  for (n = 1; n <= rowCount; n++) {
    row = order[n]
    if (!(row in instructions)) {
      print "error: " row " was not measured"
      failed = 1
      continue
    }
    perOperation = stores[row] / operations[row]
    isOver = instructions[row] > limit[row] ||
      storeLimit[row] != "-" && perOperation > storeLimit[row] + 0.05
    printf "%s%-18s %8.1f instructions of %6s, %5.1f stack stores of %3s\n", \
      isOver ? "error: " : "", row, instructions[row], limit[row], perOperation, storeLimit[row]
    if (isOver) failed = 1
  }
  exit failed
}
