# Shared parts of the tests of the checks: builds programs with a fault, and tests whether a check
# detects it. Sourced after common.sh, not run. Works in the scratch folder.

cd "$work" || exit 2
failures=0
link=

# build NAME FLAGS...: builds NAME.o from NAME.c or NAME.S, and NAME.elf with the flags in $link.
build() {
  name=$1
  shift
  source=$name.c
  [ -f "$source" ] || source=$name.S
  "$TOOLS/clang" -target x86_64-unknown-none-elf -ffreestanding "$@" -c "$source" -o "$name.o" &&
    "$TOOLS/ld.lld" --entry=start $link "$name.o" -o "$name.elf" || exit 2
}

# detects CHECK PATTERN ARGUMENTS...: the check must fail and print PATTERN.
detects() {
  check=$1 pattern=$2
  shift 2
  if "$artefacts/$check" "$@" > said 2>&1 || ! grep -q -e "$pattern" said; then
    printf '%-7s %s\n' FAILED "the check '$check' does not detect: $pattern"
    sed 's/^/        /' said
    failures=$((failures + 1))
  fi
}

# passes CHECK ARGUMENTS...: the check must succeed.
passes() {
  check=$1
  shift
  "$artefacts/$check" "$@" > said 2>&1 || {
    printf '%-7s %s\n' FAILED "the check '$check' fails on a valid image"
    sed 's/^/        /' said
    failures=$((failures + 1))
  }
}
