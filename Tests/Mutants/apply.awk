# Finds the code that mutants change, and changes it. Run by `run`, which describes the format.
#
#   awk -f apply.awk -v sources=LIST [-v out=PREFIX] MUTANT...
#
# LIST is a file with the paths of all sources. Every mutant is tried on the sources as they are.
# Prints `NAME: reason` for each that is stale, and fails if there is one. With `out`, for a single
# mutant, writes each file that it changes to PREFIX1, PREFIX2 ... and prints the path of each.
#
# Functions are found by their indentation and braces, which suffices for code that was formatted.

BEGIN {
  while ((getline path < sources) > 0) paths[++path_count] = path
  declaration = "^ *(@[A-Za-z_]+(\\([^)]*\\))? +|" \
    "(public|package|private|fileprivate|internal|static|mutating|borrowing|consuming|" \
    "nonisolated\\(unsafe\\)|nonisolated|final|unsafe|convenience|indirect|private\\(set\\)|" \
    "package\\(set\\)|fileprivate\\(set\\)) +)*"
  for (argument = 1; argument < ARGC; argument++) {
    reason = try(ARGV[argument])
    if (reason == "") continue
    name = ARGV[argument]
    sub(/.*\//, "", name)
    sub(/\.mutant$/, "", name)
    print name ": " reason
    stale = 1
  }
  exit stale
}

# try MUTANT: what is wrong with it, or nothing.
function try(mutant,   line, part, count, module, number, reason) {
  split("", find)
  split("", put)
  split("", place)
  whole = scope = part = ""
  count = 0
  while ((getline line < mutant) > 0) {
    if (line ~ /^--- find/) {
      part = "find"
      place[++count] = substr(line, 10)
    } else if (line == "--- put") part = "put"
    else if (part == "find") find[count] = find[count] line "\n"
    else if (part == "put") put[count] = put[count] line "\n"
    else if (line ~ /^file: /) whole = substr(line, 7)
    else if (line ~ /^in: /) scope = substr(line, 5)
  }
  close(mutant)
  if (count == 0) return "it has nothing to find"

  module = mutant
  sub(/\/[^\/]*$/, "", module)
  sub(/.*\//, "", module)
  split("", changed)
  changed_count = 0
  for (number = 1; number <= count; number++) {
    reason = locate(number, module, place[number] != "" ? place[number] : scope)
    if (reason != "") return reason
  }
  for (number = 1; number <= count; number++) {
    reason = change(count)
    if (reason != "") return reason
  }
  for (number = 1; out != "" && number <= changed_count; number++) {
    print changed_path[number]
    printf "%s", changed[changed_path[number]] > (out number)
    close(out number)
  }
  return ""
}

# locate NUMBER, MODULE, SCOPE: finds the place of a change of the current mutant, and notes it in
# `change_path`, `change_first` and `change_last`; what is wrong with it.
function locate(number, module, scope,   wanted, hits, path, i, n, at) {
  wanted = squeeze(find[number])
  if (wanted == "") return "it has nothing to find"
  if (wanted == squeeze(put[number])) return "it changes nothing"
  region_count = 0
  split("", seen)
  if (scope != "" && scope !~ /^[A-Za-z0-9_.]+(\(([A-Za-z0-9_]+:)*\))?$/)
    return "`" scope "` is not the name of a function or a type"
  for (i = 1; i <= path_count; i++) {
    path = paths[i]
    if (whole != "" ? path != whole : index(path, "/" module "/") == 0) continue
    if (scope == "") addRegion(path, 1, 1e9)
    else addRegionsNamed(path, scope)
  }
  if (region_count == 0)
    return scope == "" ? "there is no file " whole : "nothing in " module " is named " scope

  for (i = 1; i <= region_count; i++) {
    path = region_path[i]
    load(path)
    n = hitsIn(text_of[path], region_first[i], region_last[i], wanted)
    for (; n > 0; n--) {
      at = path SUBSEP hit_first[n]
      if (at in seen) continue
      seen[at] = 1
      hits++
      change_path[number] = path
      change_first[number] = hit_first[n]
      change_last[number] = hit_last[n]
    }
  }
  if (hits != 1)
    return "what to find is there " (hits + 0) " times" (scope == "" ? "" : " in " scope) \
      (number > 1 ? " (change " number ")" : "")
  return ""
}

# change COUNT: carries out that of the changes not yet done that comes last in its file, so that
# the places of the others stay true; what is wrong with it.
function change(count,   i, last, path, text, before) {
  last = 0
  for (i = 1; i <= count; i++)
    if (change_first[i] && (!last || change_first[i] > change_first[last])) last = i
  path = change_path[last]
  if (!(path in changed)) {
    changed_path[++changed_count] = path
    changed[path] = text_of[path]
    limit[path] = length(text_of[path]) + 1
  }
  if (change_last[last] >= limit[path]) return "two of its changes overlap"
  text = put[last]
  sub(/^[ \n]+/, "", text)
  sub(/[ \n]+$/, "", text)
  before = substr(changed[path], 1, change_first[last] - 1)
  changed[path] = before text substr(changed[path], change_last[last] + 1)
  limit[path] = change_first[last]
  change_first[last] = 0
  return ""
}

# Text without white space, which is all that two fragments are compared by.
function squeeze(text) {
  gsub(/[ \t\n]+/, "", text)
  return text
}

# hitsIn TEXT, FIRST, LAST, WANTED: how often the lines from FIRST to LAST have it, and in
# `hit_first` and `hit_last` where in TEXT.
function hitsIn(text, first, last, wanted,   start, end, part, squeezed, from, at, n) {
  start = startOfLine(text, first)
  end = last >= 1e9 ? length(text) + 1 : startOfLine(text, last + 1)
  part = substr(text, start, end - start)
  squeezed = squeeze(part)
  from = 1
  n = 0
  while ((at = index(substr(squeezed, from), wanted)) > 0) {
    at += from - 1
    n++
    hit_first[n] = start - 1 + unsqueezed(part, at)
    hit_last[n] = start - 1 + unsqueezed(part, at + length(wanted) - 1)
    from = at + 1
  }
  return n
}

# unsqueezed TEXT, NUMBER: where the character is that has this number among those not white.
function unsqueezed(text, number,   line, done, length_of_line, i, c) {
  done = 0
  while (1) {
    i = index(text, "\n")
    line = i ? substr(text, 1, i) : text
    length_of_line = length(squeeze(line))
    if (length_of_line >= number) break
    number -= length_of_line
    done += length(line)
    text = substr(text, length(line) + 1)
  }
  for (i = 1; ; i++) {
    c = substr(line, i, 1)
    if (c != " " && c != "\t" && c != "\n" && --number == 0) return done + i
  }
}

function startOfLine(text, number,   at, next_line) {
  at = 1
  while (--number > 0 && (next_line = index(substr(text, at), "\n")) > 0) at += next_line
  return number > 0 ? length(text) + 1 : at
}

function addRegion(path, first, last) {
  region_path[++region_count] = path
  region_first[region_count] = first
  region_last[region_count] = last
}

# addRegionsNamed PATH, SCOPE: the functions, properties or types of the file that SCOPE names.
function addRegionsNamed(path, scope,   i, labels, owner, name) {
  load(path)
  labels = ""
  if (match(scope, /\(.*/)) {
    labels = substr(scope, RSTART)
    scope = substr(scope, 1, RSTART - 1)
  }
  name = scope
  sub(/.*\./, "", name)
  owner = substr(scope, 1, length(scope) - length(name) - 1)
  for (i = 1; i <= declared[path]; i++) {
    if (name_of[path, i] != name) continue
    if (owner != "" && owner_of[path, i] != owner) continue
    if (labels != "" && labelsOf(path, first_of[path, i]) != labels) continue
    addRegion(path, first_of[path, i], last_of[path, i])
  }
}

# labelsOf PATH, LINE: what a declaration calls its arguments, as `(_:of:)`.
function labelsOf(path, line,   text, i, c, depth, labels, word) {
  text = ""
  for (i = line; i <= line + 12; i++) text = text " " line_of[path, i]
  sub(/^[^(]*(\(unsafe\)|\(set\))?[^(]*\(/, "", text)
  depth = 0
  word = ""
  for (i = 1; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (depth == 0 && c == ":") {
      sub(/^ */, "", word)
      sub(/ .*/, "", word)
      labels = labels word ":"
      depth = 1
      word = ""
    } else if (c ~ /[(\[<{]/) depth += depth == 0 ? 2 : 1
    else if (c == ">" && substr(text, i - 1, 1) == "-") continue
    else if (c ~ /[)\]>}]/) {
      if (--depth <= 0) break
    } else if (c == "," && depth == 1) depth = 0
    else if (depth == 0) word = word c
  }
  return "(" labels ")"
}

# load PATH: reads a file, and notes what it declares: name, type that it is in, first line, last.
function load(path,   line, n, i, indent, bare, name, owner, depth_at, opened, closed, count) {
  if (path in text_of) return
  text_of[path] = ""
  n = 0
  while ((getline line < path) > 0) {
    line_of[path, ++n] = line
    text_of[path] = text_of[path] line "\n"
  }
  close(path)
  declared[path] = 0
  split("", owner_at)
  for (i = 1; i <= n; i++) {
    line = line_of[path, i]
    if (line !~ /(func|init|subscript|var|let|extension|struct|enum|class|protocol)/) continue
    bare = line
    sub(declaration, "", bare)
    match(line, /^ */)
    indent = RLENGTH
    if (match(bare, /^(extension|struct|enum|class|protocol) +[A-Za-z0-9_.]+/)) {
      name = substr(bare, RSTART, RLENGTH)
      sub(/.* /, "", name)
      sub(/.*\./, "", name)
      declare(path, name, ownerAbove(indent), i, indent, n)
      owner_at[indent] = name
    } else if (match(bare, /^func +(`[^`]*`|[A-Za-z_0-9]+)/)) {
      name = substr(bare, 6, RLENGTH - 5)
      sub(/^ +/, "", name)
      declare(path, name, ownerAbove(indent), i, indent, n)
    } else if (match(bare, /^(init|deinit|subscript)[ ?(<{]/)) {
      declare(path, substr(bare, 1, RLENGTH - 1), ownerAbove(indent), i, indent, n)
    } else if (match(bare, /^(var|let) +[A-Za-z_0-9]+/) && bare ~ /\{/) {
      name = substr(bare, 5, RLENGTH - 4)
      declare(path, name, ownerAbove(indent), i, indent, n)
    }
  }
}

# The type that something with this indentation is in.
function ownerAbove(indent,   i) {
  for (i = indent - 1; i >= 0; i--) if (i in owner_at) return owner_at[i]
  return ""
}

# declare PATH, NAME, OWNER, FIRST, INDENT, COUNT: notes a declaration that has a body.
function declare(path, name, owner, first, indent, count,   i, line, own, depth, opened) {
  for (i in owner_at) if (i + 0 >= indent) delete owner_at[i]
  depth = opened = 0
  for (i = first; i <= count; i++) {
    line = line_of[path, i]
    match(line, /^ */)
    own = RLENGTH
    if (i > first && !opened && own <= indent && substr(line, own + 1, 1) == "}") return
    gsub(/"([^"\\]|\\.)*"/, "", line)
    sub(/\/\/.*/, "", line)
    opened += gsub(/\{/, "{", line)
    depth += gsub(/\{/, "{", line) - gsub(/\}/, "}", line)
    if (opened && depth <= 0) break
    if (!opened && line == "") return
  }
  declared[path]++
  name_of[path, declared[path]] = name
  owner_of[path, declared[path]] = owner
  first_of[path, declared[path]] = first
  last_of[path, declared[path]] = i
}
