# Functions of awk that tell the code of a Swift line from its comments and literals. As Tidy's
# scanner, it knows no regular expression literals.

# strip(LINE): the code of the next line of a file. Literals are left out, but not what is
# interpolated into them. Sets `hasComment` and `hasCode`.
#
# Keeps in `modes` what is open at the end of the line: one character each, with the innermost last.
# C is code, I an interpolation, S a literal, M a literal of several lines, B a block comment.
function strip(line,    i, n, c, mode, code) {
  hasComment = 0
  n = length(line)
  for (i = 1; i <= n; i++) {
    c = substr(line, i, 1)
    mode = substr(modes, length(modes))
    if (mode == "B") {
      hasComment = 1
      if (substr(line, i, 2) == "*/") { close_mode(); i++ }
      else if (substr(line, i, 2) == "/*") { modes = modes "B"; i++ }
    } else if (mode == "S" || mode == "M") {
      if (c == "\\") {
        if (substr(line, i + 1, 1) == "(") { modes = modes "I"; open[length(modes)] = 1 }
        i++
      } else if (mode == "M" && substr(line, i, 3) == "\"\"\"") { close_mode(); i += 2 }
      else if (mode == "S" && c == "\"") close_mode()
    } else if (substr(line, i, 2) == "//") {
      hasComment = 1
      break
    } else if (substr(line, i, 2) == "/*") {
      hasComment = 1
      modes = modes "B"
      i++
    } else if (substr(line, i, 3) == "\"\"\"") {
      modes = modes "M"
      i += 2
    } else if (c == "\"") modes = modes "S"
    else {
      if (mode == "I" && c == "(") open[length(modes)]++
      if (mode == "I" && c == ")" && --open[length(modes)] == 0) { close_mode(); continue }
      code = code c
    }
  }
  hasCode = code ~ /[^ \t]/ || mode == "S" || mode == "M"
  return code
}

function close_mode() { modes = substr(modes, 1, length(modes) - 1) }
