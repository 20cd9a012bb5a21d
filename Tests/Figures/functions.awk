# Lists the functions of Swift files that the formatter has laid out: a line for each, with the
# file, the line, the name, the number of lines, and 1 if it descends page tables. Needs code.awk.
#
# A function is a `func`, `init` or `deinit` with a body, or an accessor: a `get`, `set`, `willSet`,
# `didSet`, `_read` or `_modify` with one, or a `var` or `subscript` whose body has none of these.
# It lasts from the line of its keyword to that of its closing brace. Closures belong to the
# function they are in, and functions in functions count by themselves as well.
#
# It descends page tables if it goes from an entry to the table that the entry refers to.
BEGIN { OFS = "\t" }
FNR == 1 { reset() }
{
  scan(strip($0), FNR)
  # The body of a function may begin on a later line, that of a variable does not.
  if (parens == 0 && kind != "func" && kind != "type") pending = 0
}

function reset() {
  modes = "C"
  depth = parens = pending = 0
  type = ""
}

# scan(CODE, LINE): follows declarations and braces through a line of code.
function scan(code, line,    i, n, c, word, rest) {
  n = length(code)
  for (i = 1; i <= n; i++) {
    c = substr(code, i, 1)
    if (c ~ /[A-Za-z_`]/) {
      rest = substr(code, i)
      match(rest, /^(`[^`]*`|[A-Za-z0-9_]+)/)
      word = substr(rest, 1, RLENGTH)
      take(word, substr(rest, RLENGTH + 1), i > 1 ? substr(code, i - 1, 1) : "", line)
      i += length(word) - 1
    } else if (c == "(" || c == "[") parens++
    else if (c == ")" || c == "]") parens--
    else if (c == "=" && parens == 0 && pending && kind == "var") kind = "stored"
    else if (c == "{") opened(line)
    else if (c == "}") closed(line)
  }
}

# take(WORD, REST, BEFORE, LINE): a word of code, what follows it, and the character before.
function take(word, rest, before, line) {
  if (word ~ /[tT]ableAddress$/ || (word == "child" && rest ~ /^\(at:/)) descends()
  if (before == "." || parens > 0) return
  if (word ~ /^(struct|enum|class|actor|extension|protocol)$/) {
    if (rest !~ /^ (func|var|let|subscript)/) expect("type", firstName(rest), line)
  } else if (word == "func") expect("func", firstName(rest), line)
  else if (word == "init" && rest ~ /^[?!]?[(<]/) expect("func", word, line)
  else if (word == "deinit" && rest ~ /^ *\{/) expect("func", word, line)
  else if (word == "subscript" && rest ~ /^[(<]/) expect("var", word, line)
  else if (word == "var") expect("var", firstName(rest), line)
  else if (word ~ /^(get|set|willSet|didSet|_read|_modify)$/ &&
      kinds[depth] ~ /^(var|stored|accessed)$/) {
    if (rest ~ /^(\([A-Za-z]+\))?( throws(\([A-Za-z]+\))?)? *\{/)
      expect("accessor", word, line)
    # A requirement of a protocol has no body.
    else if (rest ~ /^( [gs]et)? *\}/) kinds[depth] = "none"
  } else if (word == "let" || word == "case" || word == "typealias") pending = 0
}

# The name that a declaration begins with, or its operator.
function firstName(rest) {
  sub(/^ +/, "", rest)
  match(rest, /^(`[^`]*`|[A-Za-z0-9_.]+|[^ (A-Za-z]+)/)
  return substr(rest, 1, RLENGTH)
}

function expect(what, name, line) {
  pending = 1
  kind = what
  pendingName = name
  start = line
}

function opened(line) {
  depth++
  kinds[depth] = "other"
  if (!pending || parens > 0) {
    outerParens[depth] = parens
    parens = 0
    saved[depth] = pending
    savedKind[depth] = kind; savedName[depth] = pendingName; savedStart[depth] = start
    pending = 0
    return
  }
  outerParens[depth] = 0
  saved[depth] = pending = 0
  kinds[depth] = kind
  if (kind == "accessor") {
    kinds[depth - 1] = "accessed"
    names[depth] = names[depth - 1] "." pendingName
  } else names[depth] = pendingName
  starts[depth] = start
  descending[depth] = 0
}

function closed(line) {
  if (kinds[depth] ~ /^(func|var|accessor)$/)
    print FILENAME, starts[depth], qualified(depth), line - starts[depth] + 1, descending[depth]
  # A protocol's or a stored property's.
  parens = outerParens[depth]
  pending = saved[depth]
  if (pending) {
    kind = savedKind[depth]
    pendingName = savedName[depth]
    start = savedStart[depth]
  }
  depth--
}

# The name, after that of the type around it.
function qualified(at,    i) {
  for (i = at - 1; i > 0; i--) if (kinds[i] == "type") return names[i] "." names[at]
  return names[at]
}

function descends(    i) {
  for (i = depth; i > 0; i--)
    if (kinds[i] ~ /^(func|var|accessor)$/) { descending[i] = 1; return }
}
