internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Accesses that must fault, each with the expected error code and address.
struct FaultDemonstration {
  private var console = Console()
  private(set) var checks: Checks

  init(_ checks: Checks) { self.checks = checks }

  /// Provokes all faults, with the space of `program` active, and prints a line for each.
  mutating func run(in program: borrowing Program) {
    console.write("tessera: provoked page faults, each with its address and error code\n")
    program.space.activate()
    provokeInProgram()
    provokeProtection()
    provokeInKernel()
    VmSpace.deactivate()
  }

  private mutating func provokeInProgram() {
    let hole = Program.data.start - 4096
    expect("read an unmapped page", hole, UserAccess.read(hole) == nil, 0)
    // SAFETY: nothing is mapped there.
    let isWritten = unsafe UserAccess.write(0, to: hole + 8)
    expect("write an unmapped page", hole + 8, !isWritten, PageFaultErrorCode.write)
    let reserve = Program.stackReserve.start
    expect("read an absent page with a status", reserve, UserAccess.read(reserve) == nil, 0)
    let constants = Program.constants.start
    // SAFETY: if it succeeded, the page would be the program's.
    let isChanged = unsafe UserAccess.write(0, to: constants)
    expect(
      "write a read-only page", constants, !isChanged,
      PageFaultErrorCode.write | PageFaultErrorCode.present)
  }

  /// Accesses of the kernel to user pages that SMAP and SMEP forbid.
  private mutating func provokeProtection() {
    let data = Program.data.start
    if UserAccess.isPrevented {
      let isRead = MemoryProbe.read(data) != nil
      expect("read a user page from the kernel (SMAP)", data, !isRead, PageFaultErrorCode.present)
    }
    let code = Program.code.start
    if UserAccess.isExecutionPrevented {
      // SAFETY: every byte of the page is a return instruction.
      let isExecuted = unsafe MemoryProbe.execute(code)
      expect(
        "execute a user page in the kernel (SMEP)", code, !isExecuted,
        PageFaultErrorCode.instructionFetch | PageFaultErrorCode.present)
    }
    let hole = code + 0x1_0000
    // SAFETY: nothing is mapped there.
    let isExecuted = unsafe MemoryProbe.execute(hole)
    expect("execute an unmapped page", hole, !isExecuted, PageFaultErrorCode.instructionFetch)
  }

  private mutating func provokeInKernel() {
    let text = KernelImage.text.lowerBound
    // SAFETY: if it succeeded, the word would have the value that it has.
    let isChanged = unsafe MemoryProbe.write(MemoryProbe.read(text) ?? 0, to: text)
    expect(
      "write kernel code", text, !isChanged, PageFaultErrorCode.write | PageFaultErrorCode.present)
    let directMap = UInt64(PhysicalMemory.directMapBase)
    let alias = directMap + KernelImage.readOnlyPhysicalRange.lowerBound.rawValue
    // SAFETY: if it succeeded, the word would have the value that it has.
    let isAliasChanged = unsafe MemoryProbe.write(MemoryProbe.read(alias) ?? 0, to: alias)
    expect(
      "write it through the direct map", alias, !isAliasChanged,
      PageFaultErrorCode.write | PageFaultErrorCode.present)
    // SAFETY: the direct map is not executable; if it were, code begins there.
    let isExecuted = unsafe MemoryProbe.execute(alias)
    expect(
      "execute it in the direct map", alias, !isExecuted,
      PageFaultErrorCode.instructionFetch | PageFaultErrorCode.present)
    let boot = KernelImage.physicalRange.lowerBound.rawValue
    expect("read the kernel's physical address", boot, MemoryProbe.read(boot) == nil, 0)
    let hole = PagingMode.current.lowerHalfEnd.rawValue
    let bootBase = 0 &- hole
    expect("read the boot code's direct map", bootBase, MemoryProbe.read(bootBase) == nil, 0)
    let below = KernelImage.stack.lowerBound - 8
    expect("read the guard page of the kernel stack", below, MemoryProbe.read(below) == nil, 0)
    let isRead = MemoryProbe.read(hole) != nil
    report("read a non-canonical address", hole)
    checks.check(
      !isRead && MemoryProbe.lastFault.vector == 13,
      "a non-canonical address raises a general protection fault")
  }

  /// Checks that the last access faulted at `address` with the error code `code`, and prints it.
  private mutating func expect(
    _ access: StaticString, _ address: UInt64, _ hasFaulted: Bool, _ code: UInt64
  ) {
    let fault = MemoryProbe.lastFault
    report(access, address)
    checks.check(hasFaulted, "a forbidden access faults")
    checks.check(fault.vector == 14, "a forbidden access raises a page fault")
    checks.check(fault.address == address, "CR2 holds the address")
    checks.check(fault.errorCode == code, "the error code describes the access")
  }

  private mutating func report(_ access: StaticString, _ address: UInt64) {
    console.write("  ")
    console.write(access, paddedTo: 42)
    console.write(hexadecimal: address, digitCount: 16)
    console.write(" ")
    MemoryProbe.lastFault.writeWords(to: &console)
    console.writeLine()
  }
}
