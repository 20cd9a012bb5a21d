# Counts the calls between public operations and page-table entries: reads the demangled output of
# `llvm-symbolizer --inlines --output-style=GNU -a`, then that of CallDepth. Prints the operation,
# the access, the number of functions, and their names from the operation inwards, each once.
#
# Counted are functions and initialisers of Tessera, from the operation to the one that loads or
# stores the entry, both included. Accessors, closures, the thunks around them, and what tells the
# simulated machine of a store are not.
BEGIN { FS = OFS = "\t" }
FNR == NR {
  if ($0 ~ /^0x[0-9a-f]+$/) { address = $0; place = 1 }
  else if (place++ % 2 == 1)
    frames[address] = frames[address] (frames[address] == "" ? "" : "\n") $0
  next
}
{
  count = split($3, addresses, " ")
  chain = last = ""
  calls = 0
  for (i = 1; i <= count; i++) {
    inlined = split(frames[sprintf("0x%x", addresses[i])], names, "\n")
    for (j = 1; j <= inlined; j++) {
      # The innermost calls are those of the recorder, as are the outermost.
      if (names[j] ~ /CallDepth\./) { if (calls > 0) { i = count; break } else continue }
      name = called(names[j])
      if (name == "" || name == last) continue
      calls++
      chain = name (chain == "" ? "" : " > " chain)
      last = name
    }
  }
  if (!((key = $1 OFS $2 OFS calls OFS chain) in seen)) { seen[key]; print key }
}

# The name of a function that counts; empty if this does not.
function called(name) {
  if (name ~ /^tessera_/) return name
  if (name !~ /^(static |\(extension in [A-Za-z]*\):)*Tessera[A-Za-z]*\./) return ""
  if (name ~ /\.(getter|setter|modify|read|unsafe[A-Za-z]*Addressor) :/) return ""
  if (name ~ /SimulationHooks\.|\(noteWrite in /) return ""
  sub(/^static /, "", name)
  sub(/^\(extension in [A-Za-z]*\):/, "", name)
  # A private name carries that of its file.
  while (match(name, /\([A-Za-z_0-9]+ in _[0-9A-F]+\)/)) {
    private = substr(name, RSTART + 1, RLENGTH - 1)
    sub(/ .*/, "", private)
    name = substr(name, 1, RSTART - 1) private substr(name, RSTART + RLENGTH)
  }
  sub(/[(<].*/, "", name)
  sub(/^Tessera[A-Za-z]*\./, "", name)
  return name
}
