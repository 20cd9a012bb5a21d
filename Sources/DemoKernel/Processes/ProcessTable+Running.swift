internal import DemoPlatform
internal import Tessera
internal import TesseraSpaces

// What the processor that runs a process does with it, without the lock.
extension ProcessTable {
  /// Runs process `number` in ring 3, in the active space, until it calls the kernel or causes an
  /// exception.
  func run(_ number: Int) -> UserEvent {
    UserMode.run(&self[number].registers)
  }

  /// The number and the arguments of the system call of process `number`.
  func systemCall(
    of number: Int
  ) -> (number: UInt64, first: UInt64, second: UInt64, third: UInt64) {
    self[number].registers.systemCall
  }

  /// Gives process `number` the result of its system call.
  func setResult(of number: Int, to result: UInt64) {
    self[number].registers.result = result
  }

  /// The registers for a copy of process `number`, which gets 0 for the system call.
  func registersOfCopy(of number: Int) -> UserRegisters {
    var registers = self[number].registers
    registers.result = 0
    return registers
  }

  /// The process that the space of process `number` belongs to.
  func owner(of number: Int) -> Int {
    self[number].owner
  }

  /// Calls `body` with the space of process `number`, and returns what it returns.
  func withSpace<Result: ~Copyable>(
    of number: Int, _ body: (borrowing VmSpace) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    // SAFETY: a thread of the space runs, so that it is there.
    try unsafe body(space(of: owner(of: number)).pointee)
  }

  /// Ends process `number` with `result`. Its space is destroyed if no other thread uses it.
  func leave(_ number: Int, _ result: UInt64) {
    let owner = owner(of: number)
    if leaveSpace(of: owner) {
      // SAFETY: this was the last thread.
      unsafe space(of: owner).deinitialize(count: 1)
      releaseSpace(of: owner)
    }
    end(number, result)
  }
}
