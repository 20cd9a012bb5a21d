# Draws the memory of a kernel as SVG, from the lines of JSON that `VmSpace.dumpJSON`,
# `KernelSpace.dumpJSON` and `FrameTable.dumpJSON` write, in this order.
#
#   awk -f boot/map.awk build/map.json > build/map.svg
#
# A number that sums something up has the attribute `data-total`, with what it counts; each range of
# pages has `data-range`. A test compares both with the JSON.

BEGIN {
  split("free unused reserved kernel metadata pageTable object tail external", usages)
  label["free"] = "free"
  label["unused"] = "low memory, unused"
  label["reserved"] = "reserved, or no memory"
  label["kernel"] = "kernel image, loader"
  label["metadata"] = "slots and other metadata"
  label["pageTable"] = "page tables"
  label["object"] = "memory of programs"
  label["tail"] = "tails of large frames"
  label["external"] = "the kernel's allocator"
  split("free unused unique shared tail inTransition", states)
  split("r-- rw- r-x rwx --- status", rights)
  bottom[0] = bottom[1] = top = 118
}

# A space begins.
/"format":"tessera-page-tables"/ { space = spaces++; next }

# The frames begin. A line of the strip has so many that sixteen lines hold all.
/"format":"tessera-frames"/ {
  frame_count = number("frames")
  for (line = 512; line * 16 < frame_count; line *= 2) continue
  in_frames = 1
  next
}
in_frames { add_frames(); next }
/"start":/ { add_range() }

# A range of pages: a box in the strip of its space, as high as the logarithm of its size.
function add_range(start, end, bytes, kind, height, words) {
  start = text("start")
  end = text("end")
  bytes = number("bytes")
  words = size(bytes)
  if (/"status":/) {
    kind = "status"
    words = words ", status " number("status")
  } else {
    kind = (/"read":true/ ? "r" : "-") (/"write":true/ ? "w" : "-") (/"execute":true/ ? "x" : "-")
    words = words " in " page_name(number("page"))
    mapped[space] += bytes
  }
  if (space in last_end) add_gap(last_end[space], start)
  height = 20 + int(2.5 * log(bytes / 4096) / log(2))
  boxes = boxes sprintf("<g data-range=\"%s-%s\">\n", start, end)
  boxes = boxes box(column(space) + 126, bottom[space], 62, height, kind)
  boxes = boxes label_at(column(space) + 118, bottom[space] + 14, "code end", short(start))
  boxes = boxes label_at(column(space) + 157, bottom[space] + height / 2 + 4.5, \
    "code mid on-" kind, kind == "status" ? "absent" : kind)
  boxes = boxes label_at(column(space) + 197, bottom[space] + height / 2 + 4.5, "small", words)
  boxes = boxes "</g>\n"
  bottom[space] += height
  last_end[space] = end
  ranges[space]++
  by_rights[space, kind] += bytes
}

# What lies between two ranges and is not mapped.
function add_gap(from, to, bytes) {
  bytes = difference(from, to)
  if (bytes == 0) return
  boxes = boxes box(column(space) + 126, bottom[space], 62, 18, "gap")
  boxes = boxes label_at(column(space) + 197, bottom[space] + 13, "small dim", \
    size(bytes) " not mapped")
  bottom[space] += 18
}

# A run of frames that are alike.
function add_frames(first, count, usage, state) {
  first = difference("0x0", text("start")) / 4096
  count = number("frames")
  state = text("state")
  usage = text("usage")
  if (usage == "unused" && state == "free") usage = "free"
  by_usage[usage] += count
  by_state[state] += count
  runs++
  run_start[runs] = first
  run_end[runs] = first + count
  run_usage[runs] = usage
  for (block = int(first / 512); block * 512 < first + count; block++) {
    if (++runs_in[block] > runs_in[busiest]) busiest = block
  }
}

END {
  if (spaces != 2 || !in_frames) {
    print "map.awk: expected two spaces and the frames" > "/dev/stderr"
    exit 1
  }
  frames_top = (bottom[0] > bottom[1] ? bottom[0] : bottom[1]) + 56
  body = heading() boxes rights_legend() strip() grid() usage_legend()
  print header(frames_top + 640)
  printf "%s", body
  print "</svg>"
}

function heading() {
  return label_at(20, 30, "title", "Memory of the demo kernel") \
    label_at(20, 56, "head", "The first program's space") \
    totals_of_space(0) label_at(400, 56, "head", "The kernel half") totals_of_space(1)
}

function totals_of_space(s) {
  return label_at(column(s), 76, "small", total(s ".ranges", ranges[s]) " ranges,\n" \
    total(s ".KiB", mapped[s] / 1024) " KiB mapped") \
    label_at(column(s), 96, "small dim", "address in hexadecimal, rights, size")
}

# How much is mapped with each of the rights, at the end of the space's strip.
function rights_legend(s, i, y, out) {
  for (s = 0; s < 2; s++) {
    y = bottom[s] + 14
    for (i = 1; i in rights; i++) {
      if (!((s, rights[i]) in by_rights)) continue
      out = out label_at(column(s) + 118, y + 12, "code end", \
        rights[i] == "status" ? "absent" : rights[i]) box(column(s) + 126, y, 20, 16, rights[i]) \
        label_at(column(s) + 197, y + 12, "small", \
          total(s "." rights[i], by_rights[s, rights[i]] / 1024) " KiB")
      y += 20
    }
    if (y + 44 > frames_top) frames_top = y + 44
  }
  return out
}

# All of physical memory in sixteen lines or fewer; no run is narrower than a pixel and a half.
function strip(i, y, width, out) {
  out = label_at(20, frames_top, "head", "Physical memory") \
    label_at(20, frames_top + 20, "small", total("frames", frame_count) \
      " frames of 4 KiB;\na line is " size(line * 4096) "; what is outlined is magnified below")
  for (i = 0; i * line < frame_count; i++) {
    y = frames_top + 34 + i * 18
    out = out label_at(138, y + 11, "code end", hexadecimal(i * line * 4096))
  }
  for (i = 1; i <= runs; i++) if (run_usage[i] == "free") out = out pieces(i, 0)
  for (i = 1; i <= runs; i++) if (run_usage[i] != "free") out = out pieces(i, 1.5)
  for (i = 0; i * line < frame_count; i++) {
    width = frame_count - i * line < line ? (frame_count - i * line) * 594 / line : 594
    out = out box(146, frames_top + 34 + i * 18, width, 13, "")
  }
  y = frames_top + 34 + int(busiest * 512 / line) * 18
  return out sprintf( \
    "<rect class=\"mark\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"17\"/>\n", \
    146 + busiest * 512 % line * 594 / line - 2, y - 2, 512 * 594 / line + 4)
}

# The parts of run `i` on each line of the strip.
function pieces(i, least, from, to, width, out) {
  for (from = run_start[i]; from < run_end[i]; from = to) {
    to = (int(from / line) + 1) * line
    if (to > run_end[i]) to = run_end[i]
    width = (to - from) * 594 / line
    if (width < least) width = least
    out = out box(146 + from % line * 594 / line, frames_top + 34 + int(from / line) * 18, \
      width, 13, run_usage[i] " s")
  }
  return out
}

# The 2 MiB with the most runs, each frame a cell.
function grid(i, from, to, end, out) {
  grid_top = frames_top + 34 + int((frame_count - 1) / line + 1) * 18 + 46
  out = label_at(20, grid_top - 24, "head", "Magnified: the 512 frames from " \
    hexadecimal(busiest * 512 * 4096))
  for (i = 1; i <= runs; i++) {
    from = run_start[i] - busiest * 512
    end = run_end[i] - busiest * 512
    if (from < 0) from = 0
    if (end > 512) end = 512
    for (; from < end; from = to) {
      to = (int(from / 32) + 1) * 32
      if (to > end) to = end
      out = out box(20 + from % 32 * 12, grid_top + int(from / 32) * 12, (to - from) * 12, 12, \
        run_usage[i])
    }
  }
  for (i = 0; i <= 32; i++) out = out sprintf("<path class=\"line\" d=\"M%d %dv192\"/>\n", \
    20 + i * 12, grid_top)
  for (i = 0; i <= 16; i++) out = out sprintf("<path class=\"line\" d=\"M20 %dh384\"/>\n", \
    grid_top + i * 12)
  return out
}

function usage_legend(i, y, out) {
  y = grid_top - 24
  out = label_at(430, y, "head", "Frames by usage")
  for (i = 1; i in usages; i++) {
    if (!(usages[i] in by_usage)) continue
    y += 22
    out = out box(430, y - 12, 20, 15, usages[i]) label_at(460, y, "small", label[usages[i]]) \
      label_at(740, y, "small end", total("usage." usages[i], by_usage[usages[i]]))
  }
  y += 30
  out = out label_at(430, y, "head", "Frames by reference count")
  for (i = 1; i in states; i++) {
    if (!(states[i] in by_state)) continue
    y += 20
    out = out label_at(460, y, "small", states[i] == "inTransition" ? "in transition" : states[i]) \
      label_at(740, y, "small end", total("state." states[i], by_state[states[i]]))
  }
  legend_end = y
  return out
}

# Elements ----------------------------------------------------------------------------------------

function header(height) {
  height = (legend_end > grid_top + 192 ? legend_end : grid_top + 192) + 24
  return sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%d\" " \
    "viewBox=\"0 0 760 %d\" role=\"img\">\n", height, height) \
    "<title>The memory of the demo kernel</title>\n" \
    "<style>\n" \
    "text { font: 14px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1d1d1f }\n" \
    ".title { font-size: 18px; font-weight: 600 } .head { font-size: 15px; font-weight: 600 }\n" \
    ".small { font-size: 13px } .dim { fill: #4f5963 }\n" \
    ".code { font: 12.5px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace }\n" \
    ".end { text-anchor: end } .mid { text-anchor: middle }\n" \
    "rect { stroke: #6b7680; stroke-width: 0.6 } .line { stroke: #6b7680; stroke-width: 0.4 }\n" \
    ".mark { fill: none; stroke: #c01c1c; stroke-width: 2 }\n" \
    ".s { stroke: none }\n" \
    ".gap { fill: none; stroke-dasharray: 2 3 } .status, .none { fill: none }\n" \
    ".r { fill: #d3e4f5 } .rw { fill: #f0b546 } .rx { fill: #2f6b46 } .rwx { fill: #8f1d1d }\n" \
    ".on-r--, .on-rw- { fill: #16181a } .on-r-x, .on-rwx { fill: #fdfdfd }\n" \
    ".free { fill: #eef1f4 } .unused { fill: #c9ced4 } .reserved { fill: #8d96a0 }\n" \
    ".kernel { fill: #3f4852 } .metadata { fill: #7a5ea8 } .pageTable { fill: #c2410c }\n" \
    ".object { fill: #2f7fd1 } .tail { fill: #a9cdf2 } .external { fill: #f0b546 }\n" \
    "</style>"
}

function box(x, y, width, height, kind) {
  gsub(/-/, "", kind)
  if (kind == "") kind = "none"
  return sprintf("<rect class=\"%s\" x=\"%.4g\" y=\"%d\" width=\"%.4g\" height=\"%d\"/>\n", \
    kind, x, y, width, height)
}
function label_at(x, y, class, words) {
  return sprintf("<text class=\"%s\" x=\"%d\" y=\"%.1f\">%s</text>\n", class, x, y, words)
}
function total(what, count) {
  return "<tspan data-total=\"" what "\">" grouped(count) "</tspan>"
}
function column(s) { return s == 0 ? 20 : 400 }

# Numbers -----------------------------------------------------------------------------------------

# The value of a key of the current line.
function text(key) {
  return match($0, "\"" key "\":\"[^\"]*\"") \
    ? substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5) : ""
}
function number(key) {
  return match($0, "\"" key "\":[0-9]+") \
    ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0 : 0
}

# An address without the prefix. Sixteen digits fit beside the strip.
function short(address) { return substr(address, 3) }

# The bytes from one address to another. An address has more bits than a number has here, so each is
# subtracted in halves.
function difference(from, to) {
  return (half(to, 1) - half(from, 1)) * 4294967296 + half(to, 0) - half(from, 0)
}
function half(address, is_upper, digits, i, value) {
  digits = substr("0000000000000000" substr(address, 3), length(address) - 1)
  digits = substr(digits, is_upper ? 1 : 9, 8)
  for (i = 1; i <= 8; i++) value = value * 16 + index("123456789abcdef", substr(digits, i, 1))
  return value
}

# As the kernel writes it: rounded down, in the largest unit that gives at least ten.
function size(bytes) {
  if (bytes >= 10 * 2 ^ 40) return int(bytes / 2 ^ 40) " TiB"
  if (bytes >= 10 * 2 ^ 30) return int(bytes / 2 ^ 30) " GiB"
  if (bytes >= 10 * 2 ^ 20) return int(bytes / 2 ^ 20) " MiB"
  return int(bytes / 1024) " KiB"
}
# The format %x is cut off at 32 bits by some versions of awk.
function hexadecimal(value, out) {
  do {
    out = substr("0123456789abcdef", value % 16 + 1, 1) out
    value = int(value / 16)
  } while (value > 0)
  return out
}
function page_name(bytes) { return bytes == 4096 ? "4K" : bytes == 2097152 ? "2M" : "1G" }
function grouped(count, digits, out) {
  digits = sprintf("%.0f", count)
  while (length(digits) > 3) {
    out = "," substr(digits, length(digits) - 2) out
    digits = substr(digits, 1, length(digits) - 3)
  }
  return digits out
}
