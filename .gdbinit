# For `make gdb`: starts QEMU with the demo kernel, stopped, and runs it up to kernel_main.
#
# Swift's debug information gives gdb lines and functions. A backtrace prints their names as they
# are in Swift, but gdb itself knows the mangled ones: set breakpoints by `hbreak File.swift:LINE`.
# `walk ADDRESS` prints the chain of table entries that translates an address, read from physical
# memory as the machine has it, not through the kernel.

# Swift names module files where gdb looks for debug information; it need not say so.
set complaints 0
set confirm off
set pagination off
set print asm-demangle on
set disassembly-flavor att

python
import subprocess
from gdb.FrameDecorator import FrameDecorator

def physical_memory(is_on):
    """Has QEMU take addresses for physical ones, and gdb forget what it has read before."""
    for command in ("maintenance packet Qqemu.PhyMemMode:%d" % is_on, "maintenance flush dcache"):
        gdb.execute(command, to_string=True)

class SwiftFrame(FrameDecorator):
    """A frame whose function has its name in Swift."""
    names = {}

    def function(self):
        name = FrameDecorator(self.inferior_frame()).function()
        if not isinstance(name, str) or not name.startswith("$"):
            return name
        if name not in self.names:
            try:
                self.names[name] = subprocess.run(
                    ["swift", "demangle", "--compact", "--simplified", name],
                    stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
            except (OSError, subprocess.CalledProcessError):
                self.names[name] = name
        return self.names[name]

class SwiftFrames:
    """The filter of backtraces that has them printed."""
    name, enabled, priority = "Swift", True, 100

    def filter(self, frames):
        return map(SwiftFrame, frames)

gdb.frame_filters["Swift"] = SwiftFrames()
end

define walk
  if $argc != 1
    echo walk ADDRESS: the table entries that translate it, from the root down\n
  else
    set $walk_address = (unsigned long)($arg0)
    set $walk_table = $cr3 & 0x000ffffffffff000
    set $walk_level = 4
    if ($cr4 >> 12) & 1
      set $walk_level = 5
    end
    printf "walk 0x%lx (root 0x%lx)\n", $walk_address, $walk_table
    python physical_memory(True)
    while $walk_level > 0
      set $walk_index = ($walk_address >> (3 + 9 * $walk_level)) & 511
      set $walk_entry = *(unsigned long *)($walk_table + 8 * $walk_index)
      printf "  L%d[%3d] 0x%016lx", $walk_level, $walk_index, $walk_entry
      if ($walk_entry & 1) == 0
        printf "  absent            <- stops here\n"
        set $walk_level = 0
      else
        set $walk_leaf = $walk_level == 1 || ($walk_level <= 3 && ($walk_entry & 0x80))
        if $walk_leaf
          printf "  page   r"
        else
          printf "  table  r"
        end
        if $walk_entry & 2
          printf "w"
        else
          printf "-"
        end
        if ($walk_entry >> 63) & 1
          printf "-"
        else
          printf "x"
        end
        if $walk_entry & 4
          printf " u"
        else
          printf " k"
        end
        if $walk_leaf
          set $walk_size = 1UL << (3 + 9 * $walk_level)
          set $walk_target = $walk_entry & 0x000ffffffffff000 & ~($walk_size - 1)
          printf " -> 0x%lx", $walk_target | ($walk_address & ($walk_size - 1))
          set $walk_level = 0
        else
          set $walk_table = $walk_entry & 0x000ffffffffff000
          set $walk_level = $walk_level - 1
        end
        printf "\n"
      end
    end
    python physical_memory(False)
  end
end
document walk
Prints the chain of table entries that translates a virtual address.
end

file build/tessera.elf

# The kernel's serial output appears among gdb's own. QEMU ends when gdb does.
target remote | exec env GDB_STUB=1 boot/qemu-run -kernel build/tessera.elf32
hbreak kernel_main
continue
