# Functions for scripts that run several parts. Sourced, not run.
#
# Each part prints one line: its name, its result, its duration. Its output goes to a log, of which
# the error lines are printed if it failed.

logs=build/logs
mkdir -p "$logs"

# A crash is a result like any other; a backtrace would only take time.
export SWIFT_BACKTRACE=enable=no

# run_part NAME SECONDS COMMAND...: runs the command with a time limit.
#
# Sets `status`, `elapsed` in seconds, and `log`, the file with the output.
run_part() {
  part=$1 seconds=$2
  shift 2
  log=$logs/$(printf '%s' "$part" | tr -c 'A-Za-z0-9\n' '-').log
  printf '%-42s ' "$part"
  started=$(date +%s)
  timeout --kill-after=10 "$seconds" "$@" >"$log" 2>&1 </dev/null
  status=$?
  elapsed=$(($(date +%s) - started))
}

# finish_part RESULT: ends the line of the part, and prints the errors if it failed.
finish_part() {
  printf '%-26s %4d s\n' "$1" "$elapsed"
  [ "$status" -ne 0 ] || return 0
  if [ "$status" -eq 124 ]; then echo "  did not end within $seconds seconds"; fi
  if ! grep -E '✘|↳|error:|FAILED|ThreadSanitizer|panic' "$log" |
    grep -v -E 'Issue recorded$|Testing Library Version|Target Platform|↳ ///' |
    head -n 100 | grep .; then
    tail -n 30 "$log"
  fi | sed 's/^/  /'
  echo "  full log: $log"
}
