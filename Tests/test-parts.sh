# Functions for scripts that run tests and add up how many passed. Sourced, not run.
#
# A part that crashes, runs no test or does not report how many it ran counts as a failure.
. Tests/parts.sh
passed=0
failed=0

# add PASSED FAILED: adds the results of the last part, and ends its line.
add() {
  ok=$1 bad=$2
  if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  if [ $((ok + bad)) -eq 0 ]; then
    bad=1 status=1
    echo "error: no test was run" >>"$log"
  fi
  if [ "$bad" -ne 0 ] && [ "$status" -eq 0 ]; then status=1; fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  finish_part "$ok passed, $bad failed"
}

# host_at_once NAME SECONDS FLAGS FILTER...: builds the tests with FLAGS, in a part of its own
# without a limit, runs those that match in several processes, and counts from their summaries.
host_at_once() {
  name=$1 limit=$2 flags=$3
  shift 3
  # Unquoted: several flags.
  build "build: tests $name" swift build --build-tests $flags || return
  run_part "$name" "$limit" Tests/tests-at-once "$flags" "$@"
  add_host
}

# add_host: adds the results of the last part, which ran tests of the host.
add_host() {
  # A report of ThreadSanitizer is a failure even if the test passes.
  if grep -q 'WARNING: ThreadSanitizer' "$log"; then status=66; fi
  add $(host_summary)
  # How many cases were tried, for tests that report it.
  sed -n 's/^tally: /  /p' "$log"
}

# host_summary: PASSED FAILED from the output of `swift test`.
host_summary() {
  awk '
    / Test run with [0-9]+ tests? / {
      for (i = 1; i < NF; i++) if ($i == "with") { total += $(i + 1); break }
      next
    }
    / Test .* failed after / { bad++ }
    END {
      if (bad > total) bad = total
      print total - bad, bad + 0
    }' "$log"
}

# guest NAME SECONDS IMAGE [VARIABLE]: boots an image that runs tests and prints its own summary.
guest() {
  name=$1 limit=$2 image=$3
  run_part "$name" "$((limit + 30))" env TIMEOUT="$limit" LOG="$logs/serial.log" ${4:+"$4"} \
    boot/qemu-run -kernel "$image"
  add $(summary)
}

# fuzz TARGET SECONDS: runs a fuzz target, which fails if it finds something or tries nothing.
fuzz() {
  run_part "fuzz: $1" "$(($2 + 900))" "Tests/Fuzz/$1/run" -max_total_time="$2" -print_final_stats=1
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ "${count:-0}" -eq 0 ]; then status=1; fi
  if [ "$status" -eq 0 ]; then
    passed=$((passed + 1))
    finish_part "$count inputs, $((count / $2)) a second"
  else
    failed=$((failed + 1))
    finish_part FAILED
  fi
}

# summary: PASSED FAILED from the summary that the part printed.
summary() {
  tr -d '\r' <"$log" | awk '
    /^[0-9]+ passed, [0-9]+ failed$/ { ok = $1; bad = $3 }
    END { print ok + 0, bad + 0 }'
}

# build NAME COMMAND...: a prerequisite of the next part; only its failure counts. It takes as long
# as it takes.
build() {
  building=$1
  shift
  run_part "$building" 0 "$@"
  if [ "$status" -ne 0 ]; then failed=$((failed + 1)); fi
  finish_part "$([ "$status" -eq 0 ] && echo done || echo FAILED)"
  return "$status"
}

# finish_tests: the last line, and the exit status.
finish_tests() {
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
