# Selects the functions of a disassembly that are code of `mode`, and drops data.
# `functions` is a file with the functions of the section .boot and their addresses.
BEGIN {
  while ((getline line < functions) > 0) {
    split(line, field, " ")
    boot[field[1]] = field[2]
  }
}

/^Disassembly of section / { section = $4; sub(/:$/, "", section); wanted = 0; next }

/^[0-9a-f]+ <.*>:$/ {
  name = $2
  sub(/^</, "", name)
  sub(/>:$/, "", name)
  word = 8
  if (section == ".boot") {
    is32 = (name in boot) && ("boot_long_mode" in boot) && boot[name] < boot["boot_long_mode"]
    wanted = (name in boot) && (is32 == (mode == "i386"))
    if (is32) word = 4
  } else {
    wanted = mode == "x86_64"
  }
  if (wanted) print "function", name, word
  next
}

wanted && /^ *[0-9a-f]+:/ { sub(/^ */, ""); sub(/ *#.*$/, ""); print }
