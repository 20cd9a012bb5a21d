# What the proofs share: programs with a fault, and looking whether a check sees it. Sourced after
# common.sh, not run. Works in the folder for scratch.

cd "$work" || exit 2
failures=0
link=

# build NAME FLAGS...: NAME.o from NAME.c or NAME.S, and NAME.elf, linked with the flags in $link.
build() {
  name=$1
  shift
  source=$name.c
  [ -f "$source" ] || source=$name.S
  "$TOOLS/clang" -target x86_64-unknown-none-elf -ffreestanding "$@" -c "$source" -o "$name.o" &&
    "$TOOLS/ld.lld" --entry=start $link "$name.o" -o "$name.elf" || exit 2
}

# sees CHECK PATTERN ARGUMENTS...: the check must fail and say PATTERN.
sees() {
  check=$1 pattern=$2
  shift 2
  if "$artefacts/$check" "$@" > said 2>&1 || ! grep -q -e "$pattern" said; then
    printf '%-7s %s\n' FAILED "the check '$check' does not see: $pattern"
    sed 's/^/        /' said
    failures=$((failures + 1))
  fi
}

# passes CHECK ARGUMENTS...: the check must not fail.
passes() {
  check=$1
  shift
  "$artefacts/$check" "$@" > said 2>&1 || {
    printf '%-7s %s\n' FAILED "the check '$check' refuses a good image"
    sed 's/^/        /' said
    failures=$((failures + 1))
  }
}
