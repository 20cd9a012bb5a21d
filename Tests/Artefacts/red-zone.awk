# Finds memory accesses below the stack pointer.
#
# An interrupt pushes its frame right below the stack pointer and overwrites the data there. For
# each function, the offset of the stack pointer from its value at the entry is tracked along every
# path, and so are registers that contain a stack address. An access at a known offset must not be
# below the stack pointer. Addresses with an index register are ignored: their base may lie below
# the array that they access.

function start_function(name, bytes) {
  examine()
  current = name
  word = bytes
  count = 0
  split("", at)
  split("", line_of)
}

{ gsub(/\t/, " "); gsub(/  +/, " ") }
$1 == "function" { start_function($2, $3); next }
{
  address = $1
  sub(/:$/, "", address)
  count++
  at[count] = address
  line_of[address] = count
  text = $0
  sub(/^[^ ]* /, "", text)
  while (text ~ /^(lock|rep|repe|repne|repz|repnz|data16|notrack|cs|ds|es|ss) /)
    sub(/^[^ ]* /, "", text)
  # In 32-bit code, register names are translated to their 64-bit names.
  if (word == 4) gsub(/%e/, "%r", text)
  instruction[count] = text
}
END {
  examine()
  if (functions == 0) print "no function was found"
  print "summary", functions, accesses, unknown + 0
  exit found || functions == 0
}

# Returns the value of `text`: decimal or hexadecimal, possibly negative.
function number(text,   sign, value, i) {
  sign = 1
  if (sub(/^-/, "", text)) sign = -1
  if (text == "") return 0
  if (text !~ /^0x/) return sign * text
  value = 0
  text = tolower(text)
  for (i = 3; i <= length(text); i++)
    value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
  return sign * value
}

# Merges the state (depth, copies) into instruction `i`; queues it if its state changes.
function arrive(i, depth, copies,   parts, n, k, kept, old) {
  if (i > count) return
  if (!(i in depth_at)) {
    depth_at[i] = depth
    copies_at[i] = copies
    waiting[++last] = i
    return
  }
  old = depth_at[i] SUBSEP copies_at[i]
  # A guessed state does not change a known one.
  if (guessing) return
  if (depth_at[i] != depth) depth_at[i] = "?"
  n = split(copies_at[i], parts, " ")
  kept = ""
  for (k = 1; k <= n; k++)
    if (index(" " copies " ", " " parts[k] " ")) kept = kept " " parts[k]
  copies_at[i] = substr(kept, 2)
  if (depth_at[i] SUBSEP copies_at[i] != old) waiting[++last] = i
}

# Returns the offset in register `name` from the stack pointer at the entry, or "?".
function held(name, depth, copies,   parts, n, k, pair) {
  if (name == "rsp") return depth
  n = split(copies, parts, " ")
  for (k = 1; k <= n; k++) {
    split(parts[k], pair, "=")
    if (pair[1] == name) return pair[2]
  }
  return "?"
}

function without(name, copies,   parts, n, k, kept) {
  n = split(copies, parts, " ")
  kept = ""
  for (k = 1; k <= n; k++)
    if (index(parts[k], name "=") != 1) kept = kept " " parts[k]
  return substr(kept, 2)
}

function with_copy(name, value, copies) {
  copies = without(name, copies)
  if (value == "?") return copies
  return copies (copies == "" ? "" : " ") name "=" value
}

# Splits a memory operand such as -8(%rbp) into `base` and `offset`. Returns 0 if it is none, or has
# an index.
function is_place(operand) {
  if (operand !~ /^(-?(0x)?[0-9a-f]+)?\(%r[a-z0-9]+\)$/) return 0
  base = operand
  sub(/^.*\(%/, "", base)
  sub(/\)$/, "", base)
  offset = operand
  sub(/\(.*$/, "", offset)
  offset = number(offset)
  return 1
}

# Splits the operands of instruction `i`.
function parse(i,   text, n, k, parts, depth) {
  text = instruction[i]
  operation = text
  sub(/ .*$/, "", operation)
  operands = 0
  if (text !~ / /) return
  sub(/^[^ ]* /, "", text)
  n = split(text, parts, /, */)
  depth = 0
  for (k = 1; k <= n; k++) {
    if (depth == 0) operand[++operands] = parts[k]
    else operand[operands] = operand[operands] "," parts[k]
    depth += gsub(/\(/, "(", parts[k]) - gsub(/\)/, ")", parts[k])
  }
}

# Executes instruction `i`, and passes the state to its successors.
function follow(i,   depth, copies, destination, source, target, value) {
  depth = depth_at[i]
  copies = copies_at[i]
  parse(i)
  destination = operands > 0 ? operand[operands] : ""
  source = operands > 1 ? operand[1] : ""
  sub(/^%/, "", destination)

  if (operation ~ /^(ret|iret|sysret|sysexit|ud2|hlt)/) return
  if (operation ~ /^l?j/) {
    target = operand[1]
    sub(/ .*$/, "", target)
    sub(/^0x/, "", target)
    if (target in line_of) arrive(line_of[target], depth, copies)
    if (operation ~ /^jmp/ && operand[1] ~ /^\*/ && table == "") table = depth SUBSEP copies
    if (operation ~ /^l?jmp/) return
  } else if (operation ~ /^call/) {
    # The instruction after a call that does not return is not a successor.
    if (operand[1] ~ /ys5NeverOs|s5NeverOyF|tessera_host_panic/) return
    for (value = 1; value <= 9; value++) copies = without(lost_in_call[value], copies)
  } else if (operation ~ /^push/) {
    if (depth != "?") depth -= operation ~ /w$/ ? 2 : word
  } else if (operation ~ /^pop/) {
    if (depth != "?") depth += operation ~ /w$/ ? 2 : word
    copies = without(destination, copies)
    if (destination == "rsp") depth = "?"
  } else if (operation ~ /^leave/) {
    depth = held("rbp", depth, copies)
    if (depth != "?") depth += word
    copies = without("rbp", copies)
  } else if (destination == "rsp") {
    depth = moved_stack(source, depth, copies)
  } else if (destination ~ /^r/ && operation !~ /^(cmp|test|bt[lq]?$)/) {
    value = "?"
    if (operation ~ /^mov[lq]?$/ && source ~ /^%r/) value = held(substr(source, 2), depth, copies)
    if (operation ~ /^lea/ && is_place(source)) {
      value = held(base, depth, copies)
      if (value != "?") value += offset
    }
    copies = with_copy(destination, value, copies)
  }
  arrive(i + 1, depth, copies)
}

# Returns the depth after an instruction that writes the stack pointer.
function moved_stack(source, depth, copies,   amount) {
  amount = source
  if (operation ~ /^(cmp|test)/) return depth
  if (operation ~ /^(add|sub)/ && sub(/^\$/, "", amount) && depth != "?")
    return operation ~ /^add/ ? depth + number(amount) : depth - number(amount)
  # Alignment only lowers the stack pointer.
  if (operation ~ /^and/) return depth
  if (operation ~ /^mov/ && source ~ /^%r/) return held(substr(source, 2), depth, copies)
  if (operation ~ /^lea/ && is_place(source)) {
    amount = held(base, depth, copies)
    return amount == "?" ? "?" : amount + offset
  }
  return "?"
}

# Reports instruction `i` if it accesses memory below the stack pointer.
function inspect(i,   k, place, from) {
  parse(i)
  for (k = 1; k <= operands; k++) {
    place = operand[k]
    sub(/^\*/, "", place)
    if (!is_place(place)) continue
    from = held(base, depth_at[i], copies_at[i])
    if (base != "rsp" && (from == "?" || depth_at[i] == "?")) {
      if (base == "rbp") unknown++
      continue
    }
    accesses++
    if (operation ~ /^lea/ && operand[operands] == "%rsp") continue
    if (base == "rsp" ? offset < 0 : from + offset < depth_at[i]) {
      print "below the stack pointer: " current ": " at[i] ": " instruction[i]
      found = 1
    }
  }
}

function examine(   i, first, state) {
  if (count == 0) return
  functions++
  split("rax rcx rdx rsi rdi r8 r9 r10 r11", lost_in_call, " ")
  split("", depth_at)
  split("", copies_at)
  table = ""
  last = 0
  arrive(1, 0, "")
  for (first = 1; first <= last; first++) follow(waiting[first])
  # The rest is reached through a jump table, with the state of the jump, or never.
  guessing = 1
  for (i = 1; i <= count; i++) {
    if (i in depth_at) continue
    last = 0
    if (table == "") arrive(i, "?", "")
    else {
      split(table, state, SUBSEP)
      arrive(i, state[1] == "?" ? "?" : state[1] + 0, state[2])
    }
    for (first = 1; first <= last; first++) follow(waiting[first])
  }
  guessing = 0
  for (i = 1; i <= count; i++) inspect(i)
}
