internal import CBoot
public import TesseraBoot
public import TesseraHardware
internal import TesseraSpaces

/// The processors of the machine.
///
/// The first one is the one that the loader has started, and has the number 0. The others are found
/// in the firmware's tables before Tessera starts, because it has to know how many there will be,
/// and are started after it.
public struct Processors {
  private let controllers: InterruptControllers?
  private let problem: ACPIError?
  /// Access: written by the first processor, before it asks others for anything.
  nonisolated(unsafe) private static var startedCount = 1

  /// The number of processors that run.
  public static var count: Int {
    // SAFETY: see `startedCount`.
    unsafe startedCount
  }

  /// The number of processors that run and have a lower number than the calling one: a number below
  /// `count`, which that of a processor may not be if another has not started.
  public static var currentRank: Int {
    var rank = 0
    ProcessorRecord.forEachOther { if $0.number < Processor.current { rank += 1 } }
    return rank
  }

  /// Finds the processors by the firmware's tables, which `information` may know the place of.
  ///
  /// Call it before Tessera is started: the tables are then still mapped.
  public init(of information: MultibootInformation<MappedBootMemory>) {
    // SAFETY: the boot code has mapped everything below 4 GiB, and the tables are memory.
    let memory = unsafe MappedBootMemory(below: PhysicalAddress(1 << 32))
    do throws(ACPIError) {
      controllers = try InterruptControllers(
        in: memory, rootPointer: information.acpiRootPointer?.rawValue)
      problem = nil
    } catch {
      controllers = nil
      problem = error
    }
  }

  /// The number of processors that may be started, for Tessera's configuration.
  public var foundCount: Int { controllers?.count ?? 1 }
}

extension Processors {
  /// Starts all processors that were found, one after the other, prints what became of each, and
  /// turns interrupts on. The memory map of `information` tells which page they may start at. With
  /// the option `apic=x2apic` on the command line, they use x2APIC if they have it.
  ///
  /// Call it on the first processor after Tessera has started. One that does not start is left out.
  public func start(by information: MultibootInformation<MappedBootMemory>) {
    var console = Console()
    Clock.calibrate()
    let own = ProcessorRecord(0)
    own[.apicID] = UInt64(LocalAPIC.id)
    own.state = .started
    guard let controllers else { return writeAlone(to: &console) }
    guard controllers.count > 1 else { return writeCount(controllers, to: &console) }

    do throws(LocalAPIC.Failure) {
      try LocalAPIC.start(
        at: controllers.registers,
        isExtensionWanted: information.commandLine.contains(option: "apic=x2apic"))
    } catch {
      writeCount(controllers, to: &console)
      console.write("  the others cannot be started: ")
      console.write(error.description)
      return console.writeLine()
    }
    own[.apicID] = UInt64(LocalAPIC.id)
    guard let trampoline = Trampoline(in: information) else {
      writeCount(controllers, to: &console)
      return console.write("  the others cannot be started: no memory below 1 MiB is free\n")
    }
    startOthers(controllers, trampoline, lost: information.commandLine.value(of: "lost")?.decimal)
    writeCount(controllers, to: &console)
    for number in 0..<controllers.count { write(ProcessorRecord(number), to: &console) }
    if controllers.leftOutCount > 0 {
      console.write("  left out, because there are more than 64: ")
      console.write(decimal: UInt64(controllers.leftOutCount))
      console.writeLine()
    }
    boot_enable_interrupts()
  }

  /// Starts the others. `lost` is the number of one that is not to be found, to demonstrate that.
  private func startOthers(
    _ controllers: InterruptControllers, _ trampoline: Trampoline, lost: UInt64?
  ) {
    trampoline.prepare()
    var number = 1
    for index in 0..<controllers.count where controllers[index] != LocalAPIC.id {
      // Without this processor in the list there is one number too few.
      guard number < controllers.count else { break }
      let record = ProcessorRecord(number)
      record[.apicID] = lost == UInt64(number) ? Self.unusedID : UInt64(controllers[index])
      ProcessorStart(record, trampoline).perform()
      // SAFETY: the others have nothing to do yet.
      if record.state == .started { unsafe Self.startedCount += 1 }
      number += 1
    }
    trampoline.finish()
  }
}

extension Processors {
  /// The APIC id of no processor of any machine that the demo is tried on.
  private static var unusedID: UInt64 { 0xee }

  private func writeAlone(to console: inout Console) {
    console.write("tessera: processors: 1 started; no others are known: ")
    problem?.write(to: &console)
    console.writeLine()
  }

  private func writeCount(_ controllers: InterruptControllers, to console: inout Console) {
    console.write("tessera: processors: ")
    console.write(decimal: UInt64(controllers.count))
    console.write(" found in the MADT, ")
    console.write(decimal: UInt64(Self.count))
    console.write(LocalAPIC.isExtended ? " started, with x2APIC" : " started")
    if controllers.offCount > 0 {
      console.write(", ")
      console.write(decimal: UInt64(controllers.offCount))
      console.write(" more are off")
    }
    console.writeLine()
  }

  private func write(_ record: ProcessorRecord, to console: inout Console) {
    console.write("  processor ")
    console.write(decimal: UInt64(record.number), width: 2)
    console.write("  APIC id ")
    console.write(decimal: record[.apicID], width: 3)
    console.write(record.number == 0 ? "  started by the firmware\n" : record.state.description)
  }
}

extension ProcessorRecord.State {
  fileprivate var description: StaticString {
    switch self {
    case .absent: "  not started: no memory is left for its stacks\n"
    case .starting: "  not started: it did not answer within a second\n"
    case .started: "  started\n"
    case .refused: "  not started: Tessera has refused it\n"
    }
  }
}

extension LocalAPIC.Failure {
  fileprivate var description: StaticString {
    switch self {
    case .absent: "the processor has no local APIC"
    case .turnedOff: "the firmware has turned the local APIC off"
    case .elsewhere: "the local APIC is not where the MADT says"
    case .noMemory: "no memory is left to map the local APIC"
    }
  }
}
