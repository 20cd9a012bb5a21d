# Applies one of the mistakes that a lemma lists, of its `broken` lines the one numbered `number`,
# to the arithmetic. Prints that; fails, and prints nothing, if the fragment is not in the function
# exactly once.
#
#   awk -v number=1 -f variant.awk LEMMA ARITHMETIC

function oneSpaced(text) { gsub(/[ \n]+/, " ", text); return text }

FNR == 1 { file++ }
file == 1 && /^; broken / { found++ }
file == 1 && found == number && /^; broken / { name = $3; sub(/:$/, "", name) }
file == 1 && found == number && sub(/^;   find: /, "") { fragment = oneSpaced($0) }
file == 1 && found == number && sub(/^;   put: /, "") { replacement = $0 }

# Of the arithmetic, functions begin at the margin, and end before an empty line or the next one.
file == 2 && (/^$/ || /^[(;]/) { count++ }
file == 2 { part[count] = part[count] $0 "\n"; if ($2 == name && /^\(define-fun /) its = count }

END {
  text = oneSpaced(part[its])
  place = index(text, fragment)
  rest = substr(text, place + length(fragment))
  if (its == "" || fragment == "" || place == 0 || index(rest, fragment) > 0) exit 1
  part[its] = substr(text, 1, place - 1) replacement rest "\n"
  for (i = 0; i <= count; i++) printf "%s", part[i]
}
