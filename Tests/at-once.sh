# Functions for scripts that run several things at once, as many as this machine has processors.
# Sourced, not run.
#
# Their results are printed, and counted in `passed` and `failed`, in the order in which they were
# started. The script sets `results`, a folder for what they print.
jobs=$(nproc 2>/dev/null || echo 1)
started_count=0
ended_count=0
passed=0
failed=0

# start COMMAND...: runs the command, which prints a result and returns whether it is good, beside
# others.
start() {
  started_count=$((started_count + 1))
  "$@" >"$results/result.$started_count" &
  eval "process_$started_count=$!"
  await $((jobs - 1))
}

# await COUNT: waits until no more than COUNT commands run, and reports those that have ended.
await() {
  while [ $((started_count - ended_count)) -gt "$1" ]; do
    ended_count=$((ended_count + 1))
    eval "wait \$process_$ended_count"
    tally $?
    cat "$results/result.$ended_count"
  done
}

# tally STATUS: counts a result.
tally() {
  if [ "$1" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# finish: waits for all, prints the last line, and exits.
finish() {
  await 0
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
  exit
}
