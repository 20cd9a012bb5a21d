# Makes a page of documentation from tessera.h: its sections, each declaration in C, and what the
# comment before it says.
#
#   awk -f linker/header-page.awk Sources/CTessera/include/tessera.h > TesseraHeader.md

BEGIN {
  print "# tessera.h\n\nThe C functions and types of Tessera, in the order of the header.\n"
}

# A section: its name, and a line of hyphens.
/^\/\* .* -+ \*\/$/ {
  end_code()
  sub(/^\/\* /, "")
  sub(/ -+ \*\/$/, "")
  print "## " $0 "\n"
  has_section = 1
  next
}
/^#if|^#endif|^#define TESSERA_[A-Z]*_?H$|^#include|^extern "C"|^}$/ { next }

# A comment in the first column is text; one inside a declaration is part of the code.
/^\/\*/ && !in_code { in_comment = 1 }
in_comment {
  is_last = /\*\/ *$/
  sub(/^ ?\/\*\*? ?/, "")
  sub(/^ \* ?/, "")
  sub(/ ?\*\/ *$/, "")
  sub(/^ +- /, "- ")
  print
  if (is_last) {
    in_comment = 0
    print ""
  }
  next
}

/^$/ { end_code(); next }
has_section {
  if (!in_code) print "```c"
  in_code = 1
  print
}
END { end_code() }

function end_code() {
  if (in_code) print "```\n"
  in_code = 0
}
