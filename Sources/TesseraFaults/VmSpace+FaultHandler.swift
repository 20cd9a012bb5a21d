internal import TesseraHardware
public import TesseraSpaces

extension VmSpace {
  /// Has `handler` answer this space's page faults from now on, in the place of whoever did before.
  ///
  /// `context` is given to it each time.
  public mutating func handleFaults(with handler: @escaping PageFaultHandler, context: UInt = 0) {
    faultHandler = (handler, context)
  }

  /// Gives `fault` to the space's handler, and says whether the access is to be tried again. False
  /// if there is no handler.
  public borrowing func handle(_ fault: PageFault) -> Bool {
    guard let faultHandler else { return false }
    return faultHandler.function(
      fault.address.rawValue, fault.errorCode, faultHandler.context)
  }
}
