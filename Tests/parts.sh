# Functions for scripts that run several parts. Sourced, not run.
#
# Each part prints one line: its name, its result, its duration. On a terminal the line says what
# the part is doing meanwhile. Its output goes to a log, of which the error lines are printed if it
# failed. An interrupt (Ctrl-C) ends the part with everything that it has started.

logs=build/logs
mkdir -p "$logs"

# A crash is a result like any other; a backtrace would only take time.
export SWIFT_BACKTRACE=enable=no

running=
interrupt() {
  trap '' INT TERM HUP
  if [ -n "$running" ]; then
    # One by one: `swift test` puts the tests into a process group of their own.
    all="$running $(descendants "$running")"
    # Unquoted: several numbers.
    kill -TERM $all 2>/dev/null
    sleep 1
    kill -KILL $all 2>/dev/null
    wait "$running"
  fi
  printf '\ninterrupted\n' >&2
  exit 130
}
trap interrupt INT TERM HUP

# descendants PROCESS: the numbers of all processes that it has started, directly or not.
descendants() {
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v root="$1" '
    { process = $1; sub(/^.*\) [A-Za-z] /, ""); parent[process] = $1 }
    END {
      do {
        count = 0
        for (process in parent) {
          if (process in found) continue
          if (parent[process] == root || parent[process] in found) { found[process]; count++ }
        }
      } while (count > 0)
      for (process in found) print process
    }'
}

# run_part NAME SECONDS COMMAND...: runs the command with a time limit; 0 is none.
#
# Sets `status`, `elapsed` in seconds, and `log`, the file with the output.
run_part() {
  part=$1 seconds=$2
  shift 2
  log=$logs/$(printf '%s' "$part" | tr -c 'A-Za-z0-9\n' '-').log
  started=$(date +%s)
  timeout --kill-after=10 "$seconds" "$@" >"$log" 2>&1 </dev/null &
  running=$!
  if [ -t 1 ]; then
    show_progress
  else
    printf '%-42s ' "$part"
  fi
  wait "$running"
  status=$?
  running=
  elapsed=$(($(date +%s) - started))
}

# show_progress: until the part ends, prints its name, how many tests have passed or files were
# compiled, and the seconds; then leaves the cursor where the result belongs.
show_progress() {
  while kill -0 "$running" 2>/dev/null; do
    printf '\r%-42s %-26s %4d s' "$part" "$(progress)" $(($(date +%s) - started))
    sleep 1
  done
  printf '\r%-42s %-32s\r%-42s ' "$part" '' "$part"
}

# progress: what the log of the part tells about how far it is.
progress() {
  awk '
    / Test .* passed after /  { tests++ }
    / Test .* failed after / || /^not ok|FAIL/ { bad++ }
    /^ok |: ok$/ { tests++ }
    /^\[[0-9]+\/[0-9]+\]/ { step = "building " $1 }
    /Test run started/ { step = "testing" }
    END {
      if (tests + bad > 0) printf "%d done%s", tests + bad, bad ? ", " bad " FAILED" : ""
      else print step
    }' "$log"
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
