# Instructions per operation of each loop, from the operations that the program says it did and from
# the profile that callgrind wrote of it.
#
#   awk -v pattern=hot -f instructions.awk OPERATIONS PROFILE
#
# In the profile a function is a paragraph that starts with "fn=". Its lines are places and costs:
# its own, and after "calls=" those of what it called. The sum is all that ran on its behalf.

FILENAME == ARGV[1] && $1 == "operations" { operations[$2] = $3; next }
/^fn=/ { name = substr($0, 4); next }
/^(0x[0-9a-f]+ )?[0-9]+ [0-9]+$/ { cost[name] += $NF }

END {
  # A loop whose cost is known tells whether the profile was understood.
  known = cost["limit_known"] - 7 * operations["limit_known"]
  if (known < 1 || known > 8) {
    print "bench: callgrind's profile is not to be believed: the loop of known cost is off by " \
      known > "/dev/stderr"
    exit 1
  }
  for (row in operations) {
    function_name = "benchmark_" row
    if (row == "limit_known") continue
    if (!(function_name in cost)) {
      print "bench: callgrind did not see " function_name > "/dev/stderr"
      exit 1
    }
    printf "instructions %s %s %.1f\n", pattern, row, cost[function_name] / operations[row]
  }
}
