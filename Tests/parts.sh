# What the runs of many parts share. Sourced, not run.
#
# Each part is one line on the terminal: its name, how it went, how long it took. What it said is
# kept in a file, of which the lines that matter are shown if it failed.

logs=build/logs
mkdir -p "$logs"

# A crash is an answer here; a helper that explains it would only keep the answer waiting.
export SWIFT_BACKTRACE=enable=no

# run_part NAME SECONDS COMMAND...: runs the command for at most so long.
#
# Sets `status`, `elapsed` in seconds, and `log`, the file with what the command said.
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

# finish_part VERDICT: ends the line of the part, and shows what went wrong if something did.
finish_part() {
  printf '%-26s %4d s\n' "$1" "$elapsed"
  [ "$status" -ne 0 ] || return 0
  if [ "$status" -eq 124 ]; then echo "  did not end within $seconds seconds"; fi
  if ! grep -E '✘|↳|error:|FAILED|ThreadSanitizer|panic' "$log" |
    grep -v -E 'Issue recorded$|Testing Library Version|Target Platform|↳ ///' |
    head -n 100 | grep .; then
    tail -n 30 "$log"
  fi | sed 's/^/  /'
  echo "  everything it said: $log"
}
