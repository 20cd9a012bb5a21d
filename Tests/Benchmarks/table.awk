# The table for people, and build/bench.tsv.
#
#   awk -v tsv=build/bench.tsv -f table.awk TARGETS MEASURED
#
# MEASURED has lines "time ROW FRAMES NANOSECONDS LIMIT OPERATIONS", the two times being those of
# all operations, and "instructions PATTERN ROW NUMBER"; "pair ROW TOGETHER ALONE OPERATIONS", the
# times of one of two processors while the other works and while it does not, of which the second
# over the first is the row's ratio; "tables PAGES NODES"; "pages PAGES BYTES", and "object PAGES
# PAGES BYTES" with the pages in memory second.

FILENAME == ARGV[1] && NF == 3 && $1 !~ /^#/ {
  must_ratio[$1] = $2; aim_ratio[$1] = $3
  next
}
FILENAME == ARGV[1] {
  if ($1 ~ /^#/ || NF != 5) next
  must_time[$1] = $2; must_count[$1] = $3
  aim_time[$1] = $4; aim_count[$1] = $5
  next
}
$1 == "time" {
  pattern = $3 == 8192 ? "hot" : "cold"
  key = $2 " " pattern
  order[++rows] = key
  time[key] = $4 / $6
  ratio[key] = $5 > 0 ? sprintf("%.2f", $4 / $5) : "-"
}
$1 == "pair" && $2 ~ /^two_(heap|mimalloc)$/ { next }  # in the table of heaps
$1 == "pair" {
  key = $2 " hot"
  order[++rows] = key
  time[key] = $3 / $5
  ratio[key] = sprintf("%.2f", $4 / $3)
}
$1 == "tables" { page_count = $2; node_count = $3 }
$1 == "pages" { paged = sprintf("pager: %d bytes for each of %d anonymous pages", $3, $2) }
$1 == "object" {
  objects[++objectCount] = sprintf("  %d bytes for an object of %d pages, %d in memory", $4, $2, $3)
}
$1 == "instructions" { count[$3 " " $2] = $4 }

# Whether time and instructions are within the limits: "yes", "no", or nothing where there are none.
function reached(time_limit, count_limit, time, count) {
  if (time_limit == "" && count_limit == "") return ""
  if (time_limit != "-" && time_limit != "" && time + 0 > time_limit + 0) return "no"
  if (count_limit != "-" && count_limit != "" && count + 0 > count_limit + 0) return "no"
  return "yes"
}

# The efficiency of a row of two processors, of what this computer can do: two that share nothing
# may already be slower than each alone.
function efficiency(key,   apart) {
  apart = ratio["two_apart hot"]
  return sprintf("%.2f", ratio[key] / (apart > 0 && apart < 1 ? apart : 1))
}

function target(time_limit, count_limit) {
  if (time_limit == "") return ""
  return time_limit (count_limit == "-" ? "" : " / " count_limit)
}

END {
  print "name\tinstructions\tnanoseconds\tlimit_ratio\tpattern" > tsv
  line = "%-20s %-7s %12s %11s %9s   %-9s %-4s %-5s %s\n"
  printf line, "name", "pattern", "instructions", "ns", "x limit", "must", "", "aim", ""
  for (i = 1; i <= rows; i++) {
    split(order[i], part, " ")
    row = part[1]; pattern = part[2]
    instructions = order[i] in count ? count[order[i]] : "-"
    nanoseconds = sprintf("%.2f", time[order[i]])
    printf "%s\t%s\t%s\t%s\t%s\n", row, instructions, nanoseconds, ratio[order[i]], pattern > tsv
    m = a = mr = ar = ""
    if (pattern == "hot" && row in must_time) {
      m = target(must_time[row], must_count[row])
      mr = reached(must_time[row], must_count[row], nanoseconds, instructions)
      a = target(aim_time[row], aim_count[row])
      ar = reached(aim_time[row], aim_count[row], nanoseconds, instructions)
    }
    quotient = ratio[order[i]]
    if (row in must_ratio) {
      quotient = efficiency(order[i])
      m = must_ratio[row]; mr = quotient + 0 < m + 0 ? "no" : "yes"
      a = aim_ratio[row]; ar = quotient + 0 < a + 0 ? "no" : "yes"
      pairs++
      if (mr == "yes") reached_pairs++
      else missed_pairs = missed_pairs " " row
    }
    text = sprintf(line, row, pattern, instructions, nanoseconds, quotient, m, mr, a, ar)
    sub(/ +\n$/, "\n", text)
    printf "%s", text
  }
  print "two_*: two processors at once, a cursor for each page; ns of each, and under \"x limit\""
  print "  its efficiency: the time alone over that together, both the lower quartile of the rounds"
  print "  in which neither was interrupted. two_apart shares nothing: it is what this computer can"
  print "  do, and divides the rows with a target."
  if (pairs > 0)
    printf "two processors: %d of %d rows reach what they must%s\n", reached_pairs, pairs,
      missed_pairs == "" ? "" : "; not" missed_pairs
  print "space_new: the root is a fresh frame, cleared and given the kernel's half, of which three"
  print "  entries are in use; space_new_recycled: the root of a space that has gone, as it was."
  print "user_write_page, user_read_page: 4,096 bytes by the tables of the space; the limit is one"
  print "  rep movsb."
  print "object_lookup, object_read: whether a page of an object is in memory; 8 bytes of it."
  print "fault_object, fault_around: it is mapped, shared; the same per page, 16 a fault."
  print "fault_object_copy, fault_swapped: it is written, where it is private; it comes from swap."
  print "clock_young, clock_other: the clock passes a page, mapped once; a frame that is no page."
  print "rmap_N: who maps a page, per space of N. fork_attached_N: a fork of a space with an"
  print "  object of N pages, none of which was used. The stores answer at once, and copy nothing."
  if (paged != "") {
    print paged " beside its slot and the tables of its space;"
    for (i = 1; i <= objectCount; i++) print objects[i]
  }
  if (page_count > 0)
    printf "tables: %.3f bytes for each of %d pages of 4 KiB in a row (%d nodes below the root)\n",
      node_count * 4096 / page_count, page_count, node_count
}
