# Shared parts of the artefact checks. Sourced, not run.
#
# Sets TOOLS, the folder of the Swift toolchain's LLVM tools: those of the distribution are older
# and may print another format.

artefacts=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)

find_tools() {
  compiler=$(command -v swiftc) || {
    echo "check: swiftc is not on PATH; install the Swift toolchain or add its usr/bin to PATH" >&2
    exit 2
  }
  for folder in "$(dirname "$compiler")" "$(dirname "$(readlink -f "$compiler")")" \
    "$(swiftc -print-target-info |
      sed -n 's|.*"runtimeResourcePath" *: *"\(.*\)/lib/swift".*|\1/bin|p')"; do
    if [ -x "$folder/llvm-objdump" ]; then
      TOOLS=$folder
      return
    fi
  done
  echo "check: llvm-objdump is not beside swiftc; a complete Swift toolchain has it" >&2
  exit 2
}

# disassemble IMAGE: prints its instructions, each function preceded by a line
#   function NAME BYTES-PER-WORD
#
# The section .boot is entered in 32-bit mode and contains data between its functions, so only
# function symbols are disassembled there, and those below boot_long_mode as 32-bit code.
disassemble() {
  "$TOOLS/llvm-objdump" --syms "$1" |
    awk '$3 == "F" && $4 == ".boot" { print $NF, $1 }' > "$work/boot-functions"
  for mode in x86_64 i386; do
    "$TOOLS/llvm-objdump" --disassemble --no-show-raw-insn --triple=$mode-unknown-none-elf "$1" |
      awk -v mode=$mode -v functions="$work/boot-functions" -f "$artefacts/functions.awk"
  done
}

# conclude STATUS WORDS...: prints the result of a check on one line, and exits.
conclude() {
  status=$1
  shift
  if [ "$status" -eq 0 ]; then verdict=ok; else verdict=FAILED; fi
  printf '%-7s %s\n' "$verdict" "$*"
  exit "$status"
}

work=$(mktemp -d "${TMPDIR:-/tmp}/tessera-check.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
find_tools
