import Tessera

/// What a kernel's own code may do with Swift's classes and collections. Nothing of it is alive
/// afterwards.
enum Collections {
  static func useAll() {
    useClasses()
    useArrays()
    useClosures()
    useDictionariesAndSets()
    useStrings()
    useNumbers()
  }

  private static func useClasses() {
    let disk = Disk(name: "disk")
    for byte in 1...100 { disk.append(UInt8(byte)) }
    var devices: [Device] = [Device(name: "null"), disk]
    for start in [50, 90] { devices.append(Partition(of: disk, from: start)) }
    // 1 to 20 of the disk, 51 to 70 of the first partition, 91 to 100 of the second.
    let sums = devices.map { $0.sum(of: 20) }
    Kernel.expect(sums == [0, 210, 1210, 955], "each device reads as its class does")
    Kernel.expect(devices.last?.name == "diskp90", "a class sets what the one above it has")
  }

  private static func useArrays() {
    var squares: [Int] = []
    for number in 0..<10_000 { squares.append(number * number) }
    let copy = squares
    squares[9_999] = 0
    squares.removeAll { $0 % 2 == 0 }
    Kernel.expect(squares.count == 4_999, "an array has what it was not told to remove")
    Kernel.expect(copy.count == 10_000 && copy[9_999] == 99_980_001, "a copy keeps its elements")
    let disks = (0..<1_000).map { Disk(name: "disk \($0)") }
    Kernel.expect(disks[999].name == "disk 999", "an array of objects has them in order")
  }

  private static func useClosures() {
    var counter = 0
    let disk = Disk(name: "captured")
    let tasks: [() -> Int] = (1...100).map { number in
      {
        counter += number
        disk.append(UInt8(number))
        return counter
      }
    }
    let last = tasks.map { $0() }.last
    Kernel.expect(last == 5_050 && counter == 5_050, "closures share the variable they capture")
    Kernel.expect(disk.sum(of: 200) == 5_050, "closures keep the object they capture")
  }

  private static func useDictionariesAndSets() {
    var pids: [Int: Device] = [:]
    for pid in 0..<2_000 { pids[pid * 7] = Disk(name: "process") }
    for pid in 0..<2_000 where pid % 2 == 0 { pids[pid * 7] = nil }
    Kernel.expect(pids.count == 1_000, "a dictionary has the keys that were not removed")
    Kernel.expect(pids[7] != nil && pids[14] == nil, "a dictionary finds what is there, no more")

    var names: Set<String> = []
    for number in 0..<3_000 { names.insert("file \(number % 500)") }
    Kernel.expect(names.count == 500 && names.contains("file 499"), "a set has each element once")
    let groups = Dictionary(grouping: names) { $0.utf8.count }
    Kernel.expect(groups[8]?.count == 400, "a dictionary of arrays groups them")
  }

  private static func useStrings() {
    var log = ""
    for number in 0..<1_000 { log += "line \(number)\n" }
    Kernel.expect(log.utf8.count == 8_890, "a string has all that was appended")
    let lines = log.split(separator: "\n")
    Kernel.expect(lines.count == 1_000 && lines[999] == "line 999", "a string splits into lines")
    Kernel.expect(log.hasPrefix("line 0\nline 1\n") && "line 10" < "line 9", "strings compare")
    // Each is one character, and they are the same in two encodings.
    let composed = "caf\u{e9}"
    let decomposed = "cafe\u{301}"
    Kernel.expect(composed == decomposed && decomposed.count == 4, "characters compare, not bytes")
    Kernel.expect(composed.utf8.count == 5 && decomposed.utf8.count == 6, "bytes differ")
  }

  /// The x87 rounds as the runtime's `ceil` tells it, and is then as it was.
  private static func useNumbers() {
    let control = x87_control()
    var ceilings: [Int] = []
    for number in -10...10 { ceilings.append(Int((Double(number) / 4).rounded(.up))) }
    let expected = [-2, -2, -2, -1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    Kernel.expect(ceilings == expected, "numbers are rounded up")
    Kernel.expect(x87_control() == control, "rounding leaves the x87 as it was")
    let random = Set((0..<100).map { _ in UInt64.random(in: 0...UInt64.max) })
    Kernel.expect(random.count == 100, "random numbers differ")
  }
}
